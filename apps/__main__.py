"""`python -m apps` is the `spikewire` command."""

from apps._start import main

main()
