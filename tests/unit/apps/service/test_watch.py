"""`spikewire watch` ends after the time that it is given, which counts from the connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from spikewire.apps.service import watch


class Endless:
    """A stream of a service that says nothing more."""

    def __init__(self) -> None:
        self.hello, self.goodbye = {"type": "hello"}, None

    def __aiter__(self) -> Endless:
        return self

    async def __anext__(self) -> None:
        await trio.sleep_forever()


async def test_it_ends_after_its_time(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def slow_to_connect(*_: Any) -> AsyncGenerator[Endless]:
        await trio.sleep(5)
        yield Endless()

    monkeypatch.setattr(watch, "_stream", slow_to_connect)
    begun = trio.current_time()
    service: Any = None
    await watch._print_json(service, False, 10.0)
    assert trio.current_time() == begun + 15
    assert capsys.readouterr().out == '{"type":"hello"}\n'
