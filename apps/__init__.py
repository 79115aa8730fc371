"""What a person starts: the `spikewire` command and its parts."""
