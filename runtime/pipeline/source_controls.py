"""Requests that the source carries out: replay, the simulated person, filters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from spikewire.runtime.interfaces import Chooses, Directed, FiltersLive, Seekable, SourceLike
from spikewire.runtime.protocol.messages import Filter, Replay, Show, Sim, Upload, error_reply
from spikewire.sensors import SensorError

log = logging.getLogger("spikewire.runtime")


class SourceControls:
    """What can be asked of a source, as far as it can do it.

    Parameters
    ----------
    source
        Which may have ``control``, ``direct`` and ``change_filters``.
    running
        Whether it is.
    upload_bytes
        Size limit of a recording that a client sends; 0: none may be sent.
    changed
        Called after every change that the status topic tells of.
    """

    def __init__(
        self,
        source: SourceLike,
        running: Callable[[], bool],
        changed: Callable[[], None],
        upload_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        def able(name: str) -> Any:
            return source if callable(getattr(source, name, None)) else None

        self._replays = cast("Seekable | None", able("control"))
        self._directs = cast("Directed | None", able("direct"))
        self._filters = cast("FiltersLive | None", able("change_filters"))
        self._chooses = cast("Chooses | None", able("receive"))
        self._running, self._changed, self._upload_bytes = running, changed, upload_bytes
        getattr(source, "tell_changes", lambda call: None)(changed)

    @property
    def offers(self) -> dict[str, bool]:
        """Which requests can be answered with more than a refusal."""
        return {
            "replay": self._replays is not None,
            "sim": self._directs is not None,
            "filter": self._filters is not None,
            "show": self._chooses is not None,
            "upload": self._chooses is not None and self._upload_bytes() > 0,
        }

    @property
    def replay(self) -> dict[str, Any] | None:
        """State of the replay; None if the source has no such controls."""
        told = None if self._replays is None else self._replays.replay
        return None if told is None else dict(told)

    @property
    def sim(self) -> dict[str, Any] | None:
        """State of the simulated person; None if there is none."""
        return None if self._directs is None else dict(self._directs.sim)

    @property
    def filters(self) -> list[dict[str, Any]] | None:
        """The filters in their order; None if the source takes none."""
        return None if self._filters is None else self._filters.filters

    @property
    def choice(self) -> dict[str, Any]:
        """Recordings that can be shown, and which one is."""
        if self._chooses is None:
            return {"recordings": None, "shown": None, "fault": None}
        chooses = self._chooses
        return {"recordings": chooses.recordings, "shown": chooses.shown, "fault": chooses.fault}

    async def answer(self, request: Replay | Sim | Filter | Show | Upload) -> dict[str, Any]:
        """Carry a request out; the answer."""
        match request:
            case Replay():
                return await self._control(request)
            case Sim():
                return await self._direct(request)
            case Filter():
                return await self._filter(request)
            case Show():
                return await self._show(request)
            case Upload():
                return await self._upload(request)

    async def _control(self, request: Replay) -> dict[str, Any]:
        if self._replays is None:
            return error_reply(
                "no_replay", "The source of this service cannot be told how to replay."
            )
        if not self._running():
            return error_reply("replay_failed", "The source has ended: there is nothing to replay.")
        try:
            await self._replays.control(**request.changes())
        except SensorError as error:
            return error_reply("replay_failed", str(error))
        self._changed()
        return {"ok": True, "replay": self.replay}

    async def _direct(self, request: Sim) -> dict[str, Any]:
        if self._directs is None:
            return error_reply("no_sim", "The source of this service is not simulated.")
        try:
            await self._directs.direct(**request.changes())
        except SensorError as error:
            return error_reply("sim_failed", str(error))
        self._changed()
        return {"ok": True, "sim": self.sim}

    async def _filter(self, request: Filter) -> dict[str, Any]:
        if self._filters is None:
            return error_reply("no_filters", "The source of this service takes no filters.")
        if changes := request.changes():
            try:
                await self._filters.change_filters(**changes)
            except SensorError as error:
                return error_reply("filter_failed", str(error))
            used = ", ".join(
                one["filter"] + ("" if one["on"] else " (off)") for one in self._filters.filters
            )
            log.info("the filters are now: %s", used or "none")
            self._changed()
        return {"ok": True, "filters": self.filters}

    async def _show(self, request: Show) -> dict[str, Any]:
        if self._chooses is None:
            return error_reply("no_choice", "This service has no folder of recordings to show.")
        try:
            await self._chooses.show(request.name)
        except SensorError as error:
            return error_reply("show_failed", str(error))
        return {"ok": True, **self.choice}

    async def _upload(self, request: Upload) -> dict[str, Any]:
        most = self._upload_bytes()
        if self._chooses is None or not most:
            return error_reply("no_choice", "This service takes no recordings.")
        try:
            here = await self._chooses.receive(
                request.name, request.size, request.at, request.data, most
            )
        except SensorError as error:
            return error_reply("upload_failed", str(error))
        if here == request.size:
            log.info("a client has sent the recording %r", request.name)
            self._changed()
        return {"ok": True, "at": here}
