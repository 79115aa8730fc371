"""SPIF over UDP: the words that aestream and SpiNNaker's interface send.

Little-endian 32-bit words. Bits 30..16 are x, bit 15 the polarity, bits 14..0 y. Bit 31 set: no
timestamp; bit 31 clear: the next word is a 32-bit time in microseconds, which wraps after 71.6 min.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numba
import numpy as np
import numpy.typing as npt
import trio

from spikewire._jit import kernel
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import _EVENTS, EVENT_DTYPE, Deliver, Events, Packet, no_events

DEFAULT_PORT = 3333
# Linux (since 4.12): nine counters of 32 bits, the last of which is how many datagrams it dropped
# for want of room. SO_RXQ_OVFL says less: with a datagram, what was dropped before that one came.
SO_MEMINFO, MEMINFO = 55, struct.Struct("=9I")
SO_RCVBUFFORCE = 33  # Linux: past the system's limit, for those allowed to
RECEIVE_BYTES = 1 << 25
DATAGRAM = 1 << 16
BATCH = 256
"""Most datagrams taken per wake-up: bounds the time until the next await."""

_MOST_UNREAD = 1 << 17
RESTART_US = 1_000_000
"""A step back further than this is a sender that started again, not a datagram out of order."""

REASONS = (
    "out_of_bounds",  # place outside the sensor
    "stale_tail",  # words repeated at the end of aestream's last datagram
    "time_backwards",  # older than what was delivered before
    "time_missing",  # a word announced a time and the datagram ended
    "odd_bytes",  # bytes after the last whole word
)
"""Counters of what was dropped, beside ``kernel_drops`` (datagrams)."""

VERDICTS = ("datagrams_empty", "datagrams_refused", "datagrams_partly")
"""Counters of datagrams that gave no event, or not all of theirs; all others were taken whole."""

_LAST, _BEGUN, _RESTARTED, _COUNT = range(4)


@kernel(
    numba.int64(
        numba.types.Array(numba.uint32, 1, "C", readonly=True), numba.int64, numba.int64,
        numba.int64, _EVENTS, numba.int64, numba.int64[::1], numba.int64[::1],
    )
)  # fmt: skip
def _parse(words, width, height, arrived, events, n, state, counts):  # type: ignore[no-untyped-def]
    """Append one datagram's events to ``events[n:]``; returns the new ``n``.

    ``state`` is int64[4]: last time delivered, whether there was any, whether the sender started
    again in this datagram. ``counts`` follows ``REASONS``.
    """
    total = words.shape[0]
    at = 0
    inside = False
    while at < total:
        word = np.int64(words[at])
        if word >> 31:
            t = arrived
            if t < state[_LAST] and state[_BEGUN] != 0:
                if not inside and state[_LAST] - t > 1_000_000:
                    # A sender with another clock: clamped, time would stand still for as long.
                    state[_RESTARTED] = 1
                    return n
                t = state[_LAST]
            step = 1
        else:
            if at + 1 >= total:
                counts[3] += 1
                break
            low = np.int64(words[at + 1])
            step = 2
            if state[_BEGUN] == 0:
                t = low
            else:
                # The difference modulo 2**32, taken as signed, steps over the wrap.
                ahead = (low - state[_LAST]) & 0xFFFFFFFF
                if ahead >= 0x80000000:
                    ahead -= 0x100000000
                t = state[_LAST] + ahead
                if ahead < 0:
                    if inside and 2 * at >= total:
                        # The tail from the middle on goes back in time: words left over in the
                        # sender's buffer. The whole of it is dropped under its own name.
                        counts[1] += (total - at) // 2
                        return n
                    if not inside and ahead < -1_000_000:
                        state[_RESTARTED] = 1
                        return n
                    counts[2] += 1
                    at += 2
                    continue
        x = (word >> 16) & 0x7FFF
        y = word & 0x7FFF
        inside = True
        at += step
        if x >= width or y >= height:
            counts[0] += 1
            continue
        state[_BEGUN] = 1
        state[_LAST] = t
        events[n].t = t
        events[n].x = x
        events[n].y = y
        events[n].p = (word >> 15) & 1
        n += 1
    return n


def encode_spif(events: Events) -> bytes:
    """Checked events as words with timestamps, 8 bytes an event; times modulo 2**32 us."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["x"].astype(np.uint32) << 16 | events["p"].astype(np.uint32) << 15
    words[:, 0] |= events["y"]
    words[:, 1] = events["t"] & 0xFFFFFFFF
    return words.tobytes()


class SpifDecoder:
    """Turns datagrams into checked events; keeps the unwrapped time between them.

    Parameters
    ----------
    size
        (width, height): events outside are dropped and counted.

    Attributes
    ----------
    counters
        Dropped events by reason (``REASONS``), datagrams not taken whole (``VERDICTS``), and
        ``time_restarts``.
    last
        Time of the newest event, microseconds.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.counters: Counter[str] = Counter()
        self._state = np.zeros(4, np.int64)

    @property
    def last(self) -> int:
        return int(self._state[_LAST])

    def restart(self) -> None:
        """Forget the time: the next words begin a new one."""
        self._state[:] = 0

    def decode(self, datagram: bytes | memoryview, arrived_us: int) -> tuple[Events, bool]:
        """Decode one datagram.

        Parameters
        ----------
        datagram
            Its bytes.
        arrived_us
            The time given to words without a timestamp.

        Returns
        -------
        events, restarted
            Checked events in time order; whether the sender's clock began anew with them.
        """
        odd = len(datagram) % 4
        if odd:
            self.counters["odd_bytes"] += odd
        words = np.frombuffer(datagram, "<u4", len(datagram) // 4)
        events = np.empty(len(words), EVENT_DTYPE)
        counts = np.zeros(len(REASONS), np.int64)
        n = self._run(words, arrived_us, events, counts)
        restarted = bool(self._state[_RESTARTED])
        if restarted:
            self._state[:] = 0
            self.counters["time_restarts"] += 1
            n = self._run(words, arrived_us, events, counts)
        for reason, count in zip(REASONS, counts, strict=True):
            if count:
                self.counters[reason] += int(count)
        if n == 0:
            self.counters["datagrams_refused" if datagram else "datagrams_empty"] += 1
        elif odd or counts.any():
            self.counters["datagrams_partly"] += 1
        return events[:n], restarted

    def _run(
        self,
        words: npt.NDArray[np.uint32],
        arrived: int,
        events: Events,
        counts: npt.NDArray[np.int64],
    ) -> int:
        return int(_parse(words, *self.size, arrived, events, 0, self._state, counts))


class UdpSource:
    """SPIF datagrams on a UDP port.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one. Anything but a loopback address must be asked
        for by ``public``.
    size
        (width, height) of the sensor.

    Raises
    ------
    SourceError
        If the address cannot be had.
    """

    live = True

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        size: tuple[int, int],
        public: bool = False,
    ) -> None:
        try:
            info = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            raise SourceError(f"udp://{host}:{port}: {error}.") from None
        family, _, _, _, address = info
        if not public and not _loopback(str(address[0])):
            raise SourceError(
                f"udp://{host}:{port} would take events from other machines; add public=1 to the "
                "source if that is wanted."
            )
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._ask(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            self._ask(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise SourceError(f"udp://{host}:{port} cannot be bound: {error.strerror}.") from None
        self.port = int(self._socket.getsockname()[1])
        self.name = f"udp://{host}:{self.port}"
        self.size = size
        self._decoder = SpifDecoder(size)
        self._received: Counter[str] = Counter()
        self._kernel_drops = 0

    def _ask(self, level: int, option: int, value: int) -> None:
        """Set an option that the system may refuse without harm."""
        try:
            self._socket.setsockopt(level, option, value)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOPROTOOPT, errno.EINVAL):
                raise

    @property
    def counters(self) -> Mapping[str, int]:
        """Received: datagrams, bytes, events. Dropped: by ``REASONS``, and ``kernel_drops``."""
        counts = Counter(self._received)
        counts.update(self._decoder.counters)
        if self._look_at_drops():
            counts["kernel_drops"] = self._kernel_drops
        return counts

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled."""
        began = time.monotonic_ns()
        segment = 0
        with self._socket, self._counting_the_rest():
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                now = time.monotonic_ns()
                for events, restarted in self._drain((now - began) // 1000):
                    segment += restarted
                    if len(events) == 0:
                        continue
                    self._received["events"] += len(events)
                    await deliver(Packet(events, self.size, int(events["t"][-1]), now, segment))

    def _look_at_drops(self) -> int:
        """Datagrams that the kernel dropped so far, as far as it says so."""
        with suppress(OSError):
            told = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
            if len(told) == MEMINFO.size:
                self._kernel_drops = MEMINFO.unpack(told)[-1]
        return self._kernel_drops

    @contextmanager
    def _counting_the_rest(self) -> Iterator[None]:
        """Count what has arrived and was not read when this ended: nothing is lost in silence."""
        try:
            yield
        finally:
            with suppress(OSError):
                for _ in range(_MOST_UNREAD):
                    self._socket.recv(DATAGRAM)
                    self._received["unread_datagrams"] += 1
            self._look_at_drops()

    def _drain(self, arrived_us: int) -> list[tuple[Events, bool]]:
        """Take up to ``BATCH`` waiting datagrams; joins those of one segment."""
        runs: list[tuple[list[Events], bool]] = [([], False)]
        for _ in range(BATCH):
            try:
                data = self._socket.recv(DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ECONNREFUSED:
                    continue
                raise SourceError(f"{self.name} broke: {error.strerror}.") from None
            self._received["datagrams"] += 1
            self._received["bytes"] += len(data)
            events, restarted = self._decoder.decode(data, arrived_us)
            if restarted:
                runs.append(([], True))
            runs[-1][0].append(events)
        return [
            (np.concatenate(parts) if parts else no_events(), restarted)
            for parts, restarted in runs
        ]


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
