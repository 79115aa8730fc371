"""A simulated camera that watches simulated people."""
