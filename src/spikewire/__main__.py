"""`python -m spikewire` is the `spikewire` command."""

from spikewire.apps.main import main

main()
