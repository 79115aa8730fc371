"""`spikewire continual`: classes come in tasks, nothing is revisited."""
