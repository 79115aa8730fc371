"""`spikewire info`, `convert` and `simulate`: recordings on disk."""
