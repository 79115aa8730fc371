"""`spikewire train`, `evaluate` and `memory`."""
