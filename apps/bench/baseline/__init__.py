"""`bench twin`: the same network in floating point."""
