"""Options of commands: shared ones, groups, old spellings, and the address of a service."""
