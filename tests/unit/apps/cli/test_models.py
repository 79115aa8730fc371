"""From what a person typed to a network and a source."""

import gc

from spikewire.apps.cli.warmup import load_kernels


def test_what_is_loaded_at_the_start_is_not_collected_again():
    gc.unfreeze()
    try:
        load_kernels()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
