"""The service: connections, metrics, health."""
