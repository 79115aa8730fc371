"""`bench core`: the cost of a tick, beside the float baseline."""
