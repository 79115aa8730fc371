"""`spikewire continual`: class-incremental learning in tasks."""
