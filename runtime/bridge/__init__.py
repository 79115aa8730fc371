"""A service's messages, or a source's events, to a NATS server."""
