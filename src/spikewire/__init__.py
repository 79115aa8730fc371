"""spikewire: the event stream of a DVS camera, classified by an integer network that learns."""
