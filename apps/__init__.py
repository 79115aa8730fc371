"""The `spikewire` command and its parts."""
