"""Notices and errors about a connection that was lost and is made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from spikewire.runtime.errors import ConnectionLost, ServiceError

AfterGoodbye = Literal["end", "wait"]
Away = Literal["wait", "fail"]
Message = dict[str, Any]


def unanswered(kind: str, error: ConnectionLost) -> ConnectionLost:
    """Make the error of a request whose connection is gone."""
    return ConnectionLost(
        f"{error} The answer to {kind} was lost with it: it may have been done, and is not asked "
        "again."
    )


def goodbye_error(goodbye: Mapping[str, Any]) -> ConnectionLost:
    """Make the error of a goodbye, where the service is expected back."""
    return ConnectionLost(f"The service said goodbye: {goodbye.get('reason', 'no reason')}.")


def lost_notice(error: ServiceError, goodbye: Message | None) -> Message:
    """Make the notice that the connection is lost."""
    extra = {} if goodbye is None else {"goodbye": goodbye}
    return {"type": "lost", "reason": str(error), **extra}


def back_notice(hello: Message, new_run: bool, away_s: float, attempts: int) -> Message:
    """Make the notice that there is a connection again."""
    return {
        "type": "back", "new_run": new_run, "away_s": round(away_s, 3), "attempts": attempts,
        "hello": hello,
    }  # fmt: skip
