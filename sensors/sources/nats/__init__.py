"""Events from a NATS server."""
