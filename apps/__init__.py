"""apps: what a person starts."""
