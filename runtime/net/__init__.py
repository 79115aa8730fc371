"""Addresses, TLS, Unix sockets and the ASGI server."""
