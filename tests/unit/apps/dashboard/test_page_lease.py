"""The lease of the page's lessons: the page's own code, before an invented socket."""

from __future__ import annotations

import json

import pytest

from tests.unit.apps.dashboard.test_page_msgpack import node

SCENE = """
    import { decodeAll, encode } from "./msgpack.js";
    const kept = new Map(Object.entries(OWED));
    globalThis.sessionStorage = {
        getItem: (key) => kept.get(key) ?? null,
        setItem: (key, value) => kept.set(key, value),
        removeItem: (key) => kept.delete(key),
    };
    globalThis.location = { protocol: "http:", host: "here", hash: "", pathname: "/", search: "" };
    let now = 0;
    const timers = new Map();
    let made = 0;
    globalThis.setInterval = (work, every) => {
        timers.set(++made, { work, every, due: now + every });
        return made;
    };
    globalThis.clearInterval = (id) => timers.delete(id);
    globalThis.setTimeout = () => 0;
    globalThis.clearTimeout = () => {};
    performance.now = () => now;
    const wait = (ms) => {
        for (const end = now + ms; now < end; ) {
            now += 100;
            for (const timer of [...timers.values()]) {
                if (now >= timer.due) { timer.due += timer.every; timer.work(); }
            }
        }
    };
    const told = [];
    let socket;
    globalThis.WebSocket = class {
        constructor() { socket = this; }
        send(bytes) { told.push([now, ...decodeAll(bytes)]); }
        close() {}
    };
    const { Wire } = await import("./wire.js");
    const wire = new Wire({ state() {}, hello() {}, message() {}, resumed() {} });
    const hear = (message) => socket.onmessage({ data: encode(message).slice().buffer });
    wire.open();
    socket.onopen();
    hear({ type: "hello", run: "r", topics: [], ...HELLO });
    told.length = 0;
    const lost = () => socket.onclose();
    MAIN
    process.stdout.write(JSON.stringify({ told, kept: [...kept.keys()], live: wire.live }));
    process.exit(0);
"""


def told(main: str, hello: str = "{ beats: true }", owed: str = "{}") -> list[tuple[int, str, str]]:
    """What the page says, and when: (ms, type, the rest)."""
    script = SCENE.replace("MAIN", main).replace("HELLO", hello).replace("OWED", owed)
    said = json.loads(node(script))
    return [(at, one.pop("type"), _rest(one)) for at, one in said["told"]]


def _rest(message: dict[str, object]) -> str:
    return ",".join(f"{key}={value}" for key, value in message.items() if key != "id")


TEACH = "wire.teach('wave').catch(() => {}); "
LEASED = (0, "teach", "label=wave,lease_s=3")


@pytest.mark.slow
def test_a_page_that_teaches_holds_a_lease_and_sends_beats() -> None:
    said = told(TEACH + "wait(3000); wire.teach(null).catch(() => {}); wait(5000);")
    beats = [(at, "beat", "") for at in (1000, 2000, 3000)]
    assert said == [LEASED, *beats, (3000, "teach", "label=None")]


@pytest.mark.slow
def test_a_lesson_that_was_ended_elsewhere_needs_no_beats() -> None:
    assert told(TEACH + "wait(1000); wire.release(); wait(5000);") == [LEASED, (1000, "beat", "")]
    assert told(TEACH + "wait(1000); lost(); wait(5000);") == [LEASED, (1000, "beat", "")]


@pytest.mark.slow
def test_a_page_whose_timers_wait_sends_its_beats_with_what_comes() -> None:
    late = "timers.clear(); now = 900; hear({type: 'beat'}); now = 1200; hear({type: 'beat'});"
    assert told(TEACH + late) == [LEASED, (1200, "beat", "")]


@pytest.mark.slow
def test_an_older_service_is_asked_for_no_lease() -> None:
    assert told(TEACH + "wait(5000);", hello="{}") == [(0, "teach", "label=wave")]


OWED = "{ 'spikewire.owes': '1' }"
AGAIN = "hear({ type: 'hello', run: 'r', topics: [], ...HELLO });"


@pytest.mark.slow
def test_what_a_lost_page_taught_is_taken_back_from_an_older_service_only() -> None:
    """A service with leases has ended it; the label may be another client's by now."""
    again = "wire.state = 'connecting'; " + AGAIN
    assert told(again, hello="{}", owed=OWED) == [(0, "teach", "label=None")]
    assert told(again, owed=OWED) == []
