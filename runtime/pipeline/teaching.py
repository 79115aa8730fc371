"""Labels that the network learns: classes, the client's label, lessons."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from spikewire._names import name_fault
from spikewire.qcore import ModelError
from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.interfaces import InThread, NetworkLike
from spikewire.runtime.pipeline.counters import Counters
from spikewire.runtime.pipeline.lease import Lease
from spikewire.runtime.pipeline.lessons import Lessons
from spikewire.runtime.protocol.messages import error_reply
from spikewire.runtime.settings.settings import Settings

log = logging.getLogger("spikewire.runtime")


@dataclass(frozen=True, slots=True)
class Teacher:
    """Origin of the label that is taught, and the end of its lesson.

    Attributes
    ----------
    lease
        Lease that the lesson ends with; None without a connection.
    lasting
        Whether the lesson goes on after the end of the connection.
    lease_s
        Silence of the connection, in seconds, that ends the lesson; None: only its end does.
    """

    lease: Lease | None = None
    lasting: bool = False
    lease_s: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return the fields of the status topic."""
        return {
            "client": "" if self.lease is None else self.lease.client,
            "lasting": self.lasting or self.lease is None,
            "lease_s": None if self.lasting else self.lease_s,
        }


class Teaching:
    """Classes of the network, and the label that it is taught.

    Parameters
    ----------
    network, broker, settings, counters
        Those of the network task.
    in_thread
        Runs a blocking call and awaits its result.
    tick
        Gives the tick at which the network stands.
    edited
        Called when the network was changed otherwise than by computing.
    changed
        Called after every change of what the status topic reports.

    Attributes
    ----------
    classes, learning
        As they stand.
    taught
        The label that a client teaches.
    teacher
        Origin of that label; None while nothing is taught.
    lessons
        The last lessons.
    settings
        May be replaced while it runs.
    """

    def __init__(
        self,
        network: NetworkLike,
        broker: Broker,
        settings: Settings,
        counters: Counters,
        *,
        in_thread: InThread,
        tick: Callable[[], int],
        edited: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.classes = network.classes
        self.learning = settings.learn
        self.taught: str | None = None
        self.teacher: Teacher | None = None
        self.lessons = Lessons(broker, settings.undo_lessons, self._facts)
        self._network = network
        self._counters = counters
        self._in_thread = in_thread
        self._tick = tick
        self._edited = edited
        self._changed = changed

    @property
    def by_source(self) -> bool:
        """Whether the labels come with the events, and not from clients."""
        return self.settings.labels == "source"

    def label(self, truth: str | None) -> str | None:
        """Return the label that counts for ticks with this label of the source."""
        return truth if self.by_source else self.taught

    async def class_index(self, label: str | None, events: int) -> int:
        """Return the index of a label's class, which is added if need be; -1 for none.

        Parameters
        ----------
        label
            The label that counts; None: there is none.
        events
            Events computed under the label, counted as not learned if it cannot be a class.
        """
        index = await self._index(label, events)
        if self.by_source:
            await self._note_lesson(label if index >= 0 else None)
        return index

    async def _index(self, label: str | None, events: int) -> int:
        if label is None:
            return -1
        adds = label not in self.classes and self._no_class(label) is None
        if adds and self.by_source:
            # A class that a lesson adds is no part of what was known before it.
            await self._note_lesson(label)
        if await self._add_class(label) is not None:
            self._counters.unlearned_events += events
            return -1
        return self.classes.index(label)

    async def teach(self, label: str | None, teacher: Teacher) -> dict[str, Any]:
        """Set the client's label; returns the body of the reply."""
        if self.by_source:
            return error_reply(
                "labels_from_source",
                "The source names the classes here (setting labels is 'source').",
            )
        before = await self._snapshot(label if self.learning else None)
        if label is not None and (why := await self._add_class(label)) is not None:
            return error_reply("unknown_class", why)
        self.taught, self.teacher = label, None if label is None else teacher
        await self._note_lesson(label, before)
        return {"ok": True, "label": label}

    async def end_lease(self, lease: Lease) -> dict[str, Any]:
        """End the lesson of a lease, unless it lasts or another client teaches by now."""
        teacher = self.teacher
        if teacher is None or teacher.lease is not lease or teacher.lasting:
            return {"ok": True, "label": self.taught}
        log.info("the lesson of %r ended: its teacher %r left", self.taught, lease.client)
        return await self.teach(None, Teacher())

    async def learn(self, on: bool) -> dict[str, Any]:
        """Switch learning on or off; returns the body of the reply."""
        self.learning = on
        if not self.by_source:
            await self._note_lesson(self.taught)
        self.lessons.publish()
        return {"ok": True, "on": on}

    async def undo(self, lessons: int = 1) -> dict[str, Any]:
        """Take back the last lessons; returns the body of the reply."""
        if self.lessons.undoable is None:
            return error_reply("nothing_to_undo", "There is no lesson that could be taken back.")
        if lessons > self.lessons.kept:
            why = f"Only the last {self.lessons.kept} lessons can be taken back, not {lessons}."
            return error_reply("nothing_to_undo", why)
        self.taught = self.teacher = None
        for _ in range(lessons):
            lesson, before = self.lessons.take_back()
        await self._in_thread(partial(self._network.restore, before))
        self.classes = self._network.classes
        self._edited()
        self.lessons.publish()
        return {"ok": True, "label": lesson.label}

    # -- inside ----------------------------------------------------------------------------------

    def _facts(self) -> dict[str, Any]:
        return {"tick": self._tick(), "on": self.learning, "updates": self._counters.updates}

    def _no_class(self, label: str) -> str | None:
        """Say why a label is no class and cannot become one; None if it is or can."""
        if label in self.classes:
            return None
        if (fault := name_fault(label)) is not None:
            return f"The label {fault}."
        known = f"its classes are {', '.join(self.classes)}"
        if not self.settings.add_classes:
            return f"{label!r} is no class of this network, and none may be added; {known}."
        if len(self.classes) >= self.settings.most_classes:
            return f"{label!r} is no class of this network, which has all it may have; {known}."
        return None

    async def _add_class(self, label: str) -> str | None:
        """Make sure that a label is a class; returns why it cannot be."""
        if label in self.classes:
            return None
        if (why := self._no_class(label)) is not None:
            return why
        try:
            await self._in_thread(partial(self._network.add_class, label))
        except ModelError as error:
            return str(error)
        self.classes = self._network.classes
        self._edited()
        self._changed()
        return None

    async def _snapshot(self, label: str | None) -> Any:
        """Copy the network before a lesson of ``label``; None without a new lesson to take back."""
        if label is None or label == self.lessons.label or not self.lessons.keeps:
            return None
        return await self._in_thread(self._network.snapshot)

    async def _note_lesson(self, label: str | None, before: Any = None) -> None:
        """Begin the lesson of a label, if it is learned, and end the one before."""
        label = label if self.learning else None
        if label == self.lessons.label:
            return
        if label is None:
            self.lessons.end()
        else:
            before = before if before is not None else await self._snapshot(label)
            self.lessons.begin(label, before)


def known(label: str | None) -> str | None:
    """Return a source's label, or None if it cannot be the name of a class."""
    return label if label is None or name_fault(label) is None else None
