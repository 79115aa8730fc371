"""Commands that run a service or talk to one."""
