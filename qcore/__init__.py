"""qcore: the integer spiking network."""
