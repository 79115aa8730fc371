"""The requests of protocol 1 as methods, for whatever can make a request."""

from __future__ import annotations

from typing import Any


class RequestMethods:
    """Requests by their names; :meth:`request` is the subclass's."""

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer."""
        raise NotImplementedError

    async def teach(self, label: str | None) -> dict[str, Any]:
        """Name the class that is shown from now on; None: it is not known."""
        return await self.request("teach", label=label)

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
    ) -> dict[str, Any]:
        """Show an excerpt from the service's shelf; answered when it has been computed."""
        return await self.request(
            "play", name=name, start_us=start_us, stop_us=stop_us, speed=speed
        )

    async def undo(self) -> dict[str, Any]:
        """Take back the last lesson; the answer says which, as ``label``."""
        return await self.request("undo")

    async def replay(self, **changes: Any) -> dict[str, Any]:
        """Change how the recording is replayed: paused, position_us, speed (None: max), loop."""
        return await self.request("replay", **changes)

    async def record(self, on: bool) -> dict[str, Any]:
        """Begin or end recording the network's input; the answer has its ``path``."""
        return await self.request("record", on=on)
