"""runtime: the live service."""
