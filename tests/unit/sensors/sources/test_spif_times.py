"""Times of SPIF words: the wrap after 2**32 us, and the half of it, where earlier begins."""

import numpy as np
import pytest

from spikewire.sensors.sources.spif import SpifDecoder

WRAP, HALF = 2**32, 2**31
COUNT = 8  # events that agree with each other: no outlier


def datagram(*times: int) -> bytes:
    words = np.zeros((len(times), 2), "<u4")
    words[:, 1] = [t % WRAP for t in times]
    return words.tobytes()


def decoded(*datagrams: bytes) -> tuple[list[list[int]], list[bool]]:
    """The times that come, and whether the clock began anew, of datagrams 10 ms apart."""
    decoder = SpifDecoder((16, 16))
    told = [decoder.decode(one, 10_000 * n) for n, one in enumerate(datagrams)]
    assert not decoder.counters["time_backwards"]
    return [events["t"].tolist() for events, _ in told], [restarted for _, restarted in told]


@pytest.mark.parametrize("turns", [1, 3])
def test_times_go_on_over_the_wrap(turns: int) -> None:
    first = [WRAP - COUNT + n for n in range(COUNT)]
    wanted = [first, [WRAP + n for n in range(COUNT)]]
    for turn in range(1, turns):
        # A quarter at a time, as a sender does that is never silent for long.
        wanted += [[turn * WRAP + quarter * WRAP // 4 + n for n in range(COUNT)]
                   for quarter in (1, 2, 3, 4)]  # fmt: skip
    times, restarts = decoded(*(datagram(*one) for one in wanted))
    assert times == wanted
    assert restarts == [False] * len(wanted)


def test_the_last_time_before_the_wrap_is_not_wrapped() -> None:
    times, restarts = decoded(datagram(*[WRAP - 2] * COUNT), datagram(*[WRAP - 1] * COUNT))
    assert times == [[WRAP - 2] * COUNT, [WRAP - 1] * COUNT]
    assert restarts == [False, False]
    times, restarts = decoded(datagram(*[WRAP - 1] * COUNT), datagram(*[WRAP] * COUNT))
    assert times == [[WRAP - 1] * COUNT, [WRAP] * COUNT]
    assert restarts == [False, False]


@pytest.mark.parametrize("last", [1000, HALF + 5, WRAP - 7])
def test_half_a_turn_ahead_is_later_and_one_more_is_earlier(last: int) -> None:
    begun = datagram(*[last] * COUNT)
    times, restarts = decoded(begun, datagram(*[last + HALF - 1] * COUNT))
    assert (times[1], restarts) == ([last + HALF - 1] * COUNT, [False, False])
    times, restarts = decoded(begun, datagram(*[last + HALF] * COUNT))
    assert (times[1], restarts) == ([(last + HALF) % WRAP] * COUNT, [False, True])
