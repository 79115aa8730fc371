"""Learning of a network's layers through time, in floating point, before it runs in integers."""
