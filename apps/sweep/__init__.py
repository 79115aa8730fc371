"""`spikewire sweep`: accuracy against bits."""
