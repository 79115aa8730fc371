"""`spikewire doctor`: what a report of a fault needs, and what a camera lacks."""
