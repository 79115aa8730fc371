"""Datagrams of other layouts than SPIF, told by what they are."""

from __future__ import annotations

from spikewire.sensors.errors import SourceError
from spikewire.sensors.formats.diagnosis import is_narrow_faery, is_wide_faery

LOOKED_AT = 64
"""Datagrams at the beginning of a stream that are looked at."""

CERTAIN = 8
"""Datagrams of a foreign layout, and no others, after which a source is given up."""


class ForeignLayouts:
    """A look at the first datagrams of a stream, whether another program's layout comes in.

    Parameters
    ----------
    name
        The source's name in messages.
    strict
        Give up where only such datagrams come; else they are counted only. A port that others can
        reach is not given up for what they send.
    """

    def __init__(self, name: str, *, strict: bool) -> None:
        self._name, self._strict = name, strict
        self._left = LOOKED_AT
        self._foreign = self._others = 0

    def is_foreign(self, datagram: bytes) -> bool:
        """Tell whether a datagram is of a layout that is not read.

        Raises
        ------
        SourceError
            If this is the layout that the sender uses.
        """
        if self._left <= 0:
            return False
        self._left -= 1
        layout = _layout(datagram)
        if layout is None:
            self._others += 1
            return False
        self._foreign += 1
        if self._strict and self._foreign >= CERTAIN and not self._others:
            raise SourceError(
                f"{self._name} receives faery's own layout {layout}, and SPIF is read; let faery "
                "write to standard output and read it with stdin:, or send with aestream."
            )
        return True


def _layout(datagram: bytes) -> str | None:
    if len(datagram) >= 4 * 13 and len(datagram) % 13 == 0 and is_wide_faery(datagram):
        return "t64_x16_y16_on8"
    if len(datagram) >= 8 * 8 and len(datagram) % 8 == 0 and is_narrow_faery(datagram):
        return "t32_x16_y15_on1"
    return None
