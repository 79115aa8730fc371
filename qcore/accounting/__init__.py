"""Memory in bits and bytes, and operation counts."""
