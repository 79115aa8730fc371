"""The requests of protocol 1 as methods, for whatever can make a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

LEASE_S = 10.0
"""Silence of a client, in seconds, that ends its lesson; it sends beats three times as often."""


class RequestMethods(ABC):
    """Requests by their names; :meth:`request` is the subclass's."""

    @abstractmethod
    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer."""

    async def teach(self, label: str | None, *, lasting: bool = False) -> dict[str, Any]:
        """Name the class that is shown from now on; None: it is not known.

        The lesson ends with the connection, unless it is ``lasting``.
        """
        return await self.request("teach", label=label, lasting=lasting)

    async def learn(self, on: bool) -> dict[str, Any]:
        """Switch learning on or off."""
        return await self.request("learn", on=on)

    async def checkpoint(self) -> dict[str, Any]:
        """Write the learner to disk; the answer has its ``path``."""
        return await self.request("checkpoint")

    async def status(self) -> dict[str, Any]:
        """Ask for the present state, under ``status`` in the answer."""
        return await self.request("status")

    async def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
        lasting: bool = False,
    ) -> dict[str, Any]:
        """Show an excerpt from the service's shelf; answered when it has been computed.

        The excerpt ends with the connection, unless it is ``lasting``.
        """
        return await self.request(
            "play", name=name, start_us=start_us, stop_us=stop_us, speed=speed, lasting=lasting
        )

    async def undo(self, lessons: int = 1) -> dict[str, Any]:
        """Take back the last lessons; the answer says which was the first, as ``label``."""
        # Services before version 0.2 take back one, and know no number.
        return await self.request("undo", **({"lessons": lessons} if lessons > 1 else {}))

    async def sim(self, **changes: Any) -> dict[str, Any]:
        """Direct the simulated person: gesture, hold, person, distance, light."""
        return await self.request("sim", **changes)

    async def show(self, name: str | None) -> dict[str, Any]:
        """Show a recording of the service; None: its source again."""
        return await self.request("show", name=name)

    async def filter(self, **changes: Any) -> dict[str, Any]:
        """Add a filter (``add``), or change that of a ``number``: ``to``, ``on``, ``remove``.

        Without changes: the answer holds all ``filters``.
        """
        return await self.request("filter", **changes)

    async def inspect(
        self, layer: int, *, channel: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Ask for a layer's facts, and a channel's weights or a class' readout, as ``layer``."""
        return await self.request("inspect", layer=layer, channel=channel, label=label)

    async def probe(
        self, layer: int | None, neuron: tuple[int, int, int] | None = None
    ) -> dict[str, Any]:
        """Choose the neuron (row, column, channel) that the topic ``membrane`` shows."""
        return await self.request("probe", layer=layer, neuron=neuron)

    async def replay(self, **changes: Any) -> dict[str, Any]:
        """Change how the recording is replayed: paused, position_us, speed (None: max), loop."""
        return await self.request("replay", **changes)

    async def record(self, on: bool) -> dict[str, Any]:
        """Begin or end recording the network's input; the answer has its ``path``."""
        return await self.request("record", on=on)


def request_fields(
    kind: str, fields: Mapping[str, Any], hello: Mapping[str, Any], *, beats: bool
) -> dict[str, Any]:
    """Return the fields of a request as the service of this hello takes them.

    Parameters
    ----------
    beats
        Whether the client sends beats by itself: a lesson then ends also with its silence.
    """
    sent = dict(fields)
    lasting = sent.get("lasting", False)
    if not lasting or not hello.get("beats"):
        # A service that knows no leases refuses the field; there everything lasts.
        sent.pop("lasting", None)
    if kind == "teach" and beats and hello.get("beats") and sent.get("label") and not lasting:
        sent.setdefault("lease_s", LEASE_S)
    return sent
