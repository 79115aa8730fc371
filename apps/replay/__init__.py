"""`spikewire replay`: the network over recordings and folders."""
