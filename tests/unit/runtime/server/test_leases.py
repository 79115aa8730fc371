"""A lesson and an excerpt end with the connection of whoever asked for them."""

import struct

import pytest
import trio
import trio.testing

from spikewire.runtime.net.peer_socket import waiting_s
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.server import reader
from tests.support.patience import patience
from tests.support.wire import HELLO

# A lease that does not end would be waited for: that is a failure of seconds.
pytestmark = pytest.mark.timeout(patience(15))


def teaching(run):
    task = run.service.first.network_task.teaching
    return task.taught, None if task.teacher is None else task.teacher.facts()


async def silent_teacher(run, **more):
    """An older client: it teaches, and says nothing after."""
    stream = run.connect()
    await stream.send_all(HELLO + encode({"type": "teach", "label": "a", **more}))
    await trio.testing.wait_all_tasks_blocked()
    assert teaching(run)[0] == "a"
    return stream


async def test_a_lesson_ends_with_its_connection(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        async with run.client(name="first") as client:
            await client.teach("a")
            told = (await client.status())["status"]["teacher"]
            assert told == {"client": "first", "lasting": False, "lease_s": 10.0}
        await trio.testing.wait_all_tasks_blocked()
        assert teaching(run) == (None, None)
        assert run.service.first.network_task.teaching.lessons.last.end_tick is not None


async def test_a_lasting_lesson_outlives_its_connection(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        async with run.client(name="first") as client:
            await client.teach("a", lasting=True)
        await trio.sleep(300)
        expected = {"client": "first", "lasting": True, "lease_s": None}
        assert teaching(run) == ("a", expected)
        async with run.client() as client:
            await client.teach(None)
            assert (await client.status())["status"]["teacher"] is None


async def test_the_last_teacher_counts(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client(name="newer") as newer:
        async with run.client(name="older") as older:
            await older.teach("a")
            await newer.teach("b")
        await trio.testing.wait_all_tasks_blocked()
        assert teaching(run)[0] == "b"
        async with run.client(name="third") as third:
            await third.teach("a")
        # What the third took away does not come back.
        await trio.testing.wait_all_tasks_blocked()
        assert teaching(run)[0] is None


async def test_the_same_label_of_a_newer_teacher_stays(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client(name="newer") as newer:
        async with run.client(name="older") as older:
            await older.teach("a")
            await newer.teach("a")
        await trio.testing.wait_all_tasks_blocked()
        assert teaching(run)[0] == "a"
        assert run.service.first.network_task.teaching.lessons.count == 1


async def test_a_refused_lesson_takes_nobody_s_place(fakes, running, autojump_clock):
    async with (
        running(fakes.Source(), add_classes=False) as run,
        run.client(name="first") as first,
        run.client(name="second") as second,
    ):
        await first.teach("a")
        with pytest.raises(Exception, match="no class"):
            await second.teach("unheard of")
        with pytest.raises(Exception, match="no class"):
            await first.teach("unheard of")
        assert teaching(run)[1]["client"] == "first"


@pytest.mark.parametrize("how", ["close", "eof"])
async def test_an_older_client_that_leaves_takes_its_label_along(
    fakes, running, autojump_clock, how
):
    async with running(fakes.Source()) as run:
        stream = await silent_teacher(run)
        await trio.sleep(300)
        assert teaching(run)[0] == "a"  # it is there, and sends no beats
        if how == "close":
            await stream.aclose()
        else:
            await stream.send_stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert teaching(run)[0] is None


async def test_a_label_asked_for_with_the_last_breath_ends_too(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        await stream.send_all(HELLO + encode({"type": "teach", "label": "a"}))
        await stream.aclose()
        await trio.sleep(1)
        assert run.service.first.network_task.teaching.lessons.count <= 1
        assert teaching(run)[0] is None


async def test_silence_ends_a_lesson_with_a_lease(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = await silent_teacher(run, lease_s=4.0)
        for _ in range(5):
            await trio.sleep(3.9)
            await stream.send_all(encode({"type": "beat"}))
        assert teaching(run)[0] == "a"
        await trio.sleep(3.9)
        assert teaching(run)[0] == "a"
        await trio.sleep(0.2)
        assert teaching(run)[0] is None
        # The connection stays: it may teach again.
        await stream.send_all(encode({"type": "teach", "label": "b", "lease_s": 4.0}))
        await trio.sleep(1)
        assert teaching(run)[0] == "b"


async def test_a_client_beats_while_its_program_waits(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client() as client:
        await client.teach("a")
        await trio.sleep(600)
        assert teaching(run)[0] == "a"


async def test_a_teacher_s_machine_that_is_gone_is_noticed(
    fakes, running, autojump_clock, monkeypatch
):
    waiting = [0.0]
    monkeypatch.setattr(reader, "unacknowledged_s", lambda stream: waiting[0])
    async with running(fakes.Source()) as run:
        await silent_teacher(run)
        waiting[0] = reader.DEAD_PEER_S - 1
        await trio.sleep(60)
        assert teaching(run)[0] == "a"
        waiting[0] = reader.DEAD_PEER_S
        await trio.sleep(3)
        assert teaching(run)[0] is None


def test_what_the_kernel_says_of_a_machine():
    counters = [0] * 13
    counters[12] = 16_000
    assert waiting_s(struct.pack("=8x13I", *counters)) == 0  # nothing waits for it
    counters[4] = 2
    assert waiting_s(struct.pack("=8x13I", *counters)) == 16
    assert waiting_s(b"short") == 0


async def test_undo_ends_a_lease_too(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client() as client:
        await client.teach("a")
        await client.undo()
        assert teaching(run) == (None, None)


# -- excerpts ---------------------------------------------------------------------------


class SlowShelf:
    """Plays for an hour, and knows whether it was let."""

    name = "shelf:slow"
    live = False

    def __init__(self):
        self.counters = {}
        self.begun = self.cut = self.whole = 0

    async def run(self, deliver):
        await trio.sleep_forever()

    async def play(self, name, **excerpt):
        self.begun += 1
        try:
            await trio.sleep(300)
            self.whole += 1
        except trio.Cancelled:
            self.cut += 1
            raise


async def ask_to_play(run, **more):
    stream = run.connect()
    await stream.send_all(HELLO + encode({"type": "play", "name": "clip", **more}))
    await trio.testing.wait_all_tasks_blocked()
    return stream


@pytest.mark.parametrize("how", ["close", "eof", "nonsense"])
async def test_an_excerpt_ends_with_its_connection(fakes, running, autojump_clock, how):
    shelf = SlowShelf()
    async with running(shelf, heartbeat_s=0) as run:
        stream = await ask_to_play(run)
        # Beats and requests behind a play wait; they are no reason to end it.
        await stream.send_all(encode({"type": "beat"}) + encode({"type": "status"}))
        await trio.sleep(60)
        assert (shelf.begun, shelf.cut) == (1, 0)
        if how == "close":
            await stream.aclose()
        elif how == "eof":
            await stream.send_stream.aclose()
        else:
            await stream.send_all(encode({"type": "nonsense"}))
        await trio.sleep(1)
        assert (shelf.cut, shelf.whole) == (1, 0)


async def test_a_lasting_excerpt_outlives_its_connection(fakes, running, autojump_clock):
    shelf = SlowShelf()
    async with running(shelf) as run:
        stream = await ask_to_play(run, lasting=True)
        await stream.aclose()
        await trio.sleep(299)
        assert (shelf.cut, shelf.whole) == (0, 0)
        await trio.sleep(2)
        assert (shelf.cut, shelf.whole) == (0, 1)


async def test_a_lasting_excerpt_ends_with_the_service(fakes, running, autojump_clock):
    shelf = SlowShelf()
    async with running(shelf) as run, run.client() as client, trio.open_nursery() as nursery:
        refused = []

        async def play():
            try:
                await client.play("clip", lasting=True)
            except Exception as error:
                refused.append(str(error))

        nursery.start_soon(play)
        await trio.sleep(1)
        run.service.stop()
    assert shelf.cut == 1
    assert len(refused) == 1


async def test_requests_behind_a_play_are_answered_after_it(fakes, running, autojump_clock):
    async with running(fakes.Shelf()) as run, run.client() as client:
        answers = []

        async def ask(kind, **fields):
            await client.request(kind, **fields)
            answers.append(kind)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: ask("play", name="clip"))
            await trio.lowlevel.checkpoint()
            nursery.start_soon(ask, "status")
        assert answers == ["play", "status"]
