"""Memory for packets is used again, and never while somebody holds it."""

import gc

import numpy as np

from spikewire.sensors.recycled import _spare, new_bytes

SIZE = 300_000


def test_memory_is_used_again_once_all_views_are_gone():
    _spare.clear()
    first = new_bytes(SIZE)
    place = first.ctypes.data
    first[:] = 7
    view = first.view(np.uint8)[5:100]
    del first
    gc.collect()
    second = new_bytes(SIZE)
    assert second.ctypes.data != place
    second[:] = 9
    assert (view == 7).all()
    assert not _spare
    del view
    gc.collect()
    assert [room.ctypes.data for room, _ in _spare] == [place]
    assert new_bytes(SIZE + 10).ctypes.data == place


def test_memory_of_another_size_is_left_to_others():
    _spare.clear()
    large = new_bytes(10 * SIZE)
    place = large.ctypes.data
    del large
    gc.collect()
    assert new_bytes(SIZE).ctypes.data != place
    assert new_bytes(9 * SIZE).ctypes.data == place
    assert len(new_bytes(10)) == 10
