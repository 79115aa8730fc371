"""SPIF datagrams from a UDP port."""

from __future__ import annotations

import errno
import math
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import trio

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Deliver, Events, Packet, no_events
from spikewire.sensors.sources.delivery import deliver_all
from spikewire.sensors.sources.foreign_layouts import ForeignLayouts
from spikewire.sensors.sources.spif import HELD_S, SpifDecoder

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
        self._decoder = SpifDecoder(size, hold=True)
        self._foreign = ForeignLayouts(self.name, strict=_loopback(str(address[0])))
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
        """Received: datagrams, bytes, events. Dropped: by ``REASONS``, and ``kernel_drops``.

        ``datagrams_foreign`` are of another layout than SPIF.
        """
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
                waited = HELD_S if self._decoder.holding else math.inf
                with trio.move_on_after(waited) as silence:
                    await trio.lowlevel.wait_readable(self._socket)
                now = time.monotonic_ns()
                if silence.cancelled_caught:
                    runs = [self._decoder.release()]
                else:
                    runs = self._drain((now - began) // 1000)
                packets = []
                for events, restarted in runs:
                    segment += restarted
                    if len(events):
                        self._received["events"] += len(events)
                        last = int(events["t"][-1])
                        packets.append(Packet(events, self.size, last, now, segment))
                await deliver_all(packets, deliver)

    def _look_at_drops(self) -> int:
        """Datagrams that the kernel dropped so far, as far as it says so."""
        with suppress(OSError):
            record = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
            if len(record) == MEMINFO.size:
                self._kernel_drops = MEMINFO.unpack(record)[-1]
        return self._kernel_drops

    @contextmanager
    def _counting_the_rest(self) -> Iterator[None]:
        """Count what has arrived and was not read when this ended: nothing is lost in silence."""
        try:
            yield
        finally:
            self._decoder.drop_held()
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
            if self._foreign.is_foreign(data):
                self._received["datagrams_foreign"] += 1
                continue
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
