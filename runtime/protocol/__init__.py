"""Protocol 1: frames and messages."""
