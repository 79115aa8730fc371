"""`spikewire gesture`: a steady answer, with `unknown` and `nothing`."""
