"""Programs for the maintainers of spikewire; none of them is installed."""
