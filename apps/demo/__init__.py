"""`spikewire demo`, and the picture of a terminal for documents."""
