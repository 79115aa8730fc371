"""Settings of a service: defaults, files, environment, reload."""
