"""Clients: one connection, reconnecting, blocking."""
