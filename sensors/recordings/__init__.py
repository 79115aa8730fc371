"""One recording: opened, read, described, written."""
