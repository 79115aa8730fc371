"""Rights of a token: compared in constant time, and a watch token gives no control."""

import hmac
from unittest.mock import patch

import pytest

from spikewire.runtime import Settings
from spikewire.runtime.server.admission import Admission

CONTROL, WATCH = "control-secret-0123456789", "watch-secret-0123456789"


class Uncomparable(str):
    """A token that may be encoded, and not be compared by ``==``."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared with ==")

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("token", "may"),
    [(CONTROL, "control"), (WATCH, "watch"), (CONTROL[:-1], None), ("", None), (None, None)],
)
def test_both_tokens_are_compared_in_constant_time(token, may):
    settings = Settings(control_token=CONTROL, watch_token=WATCH)
    admission = Admission(lambda: settings)
    with patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare:
        assert admission.rights(None if token is None else Uncomparable(token)) == may
    assert {call.args[1] for call in compare.call_args_list} == {CONTROL.encode(), WATCH.encode()}
    assert admission.refused_tokens == int(may is None)


def test_with_one_token_the_empty_one_is_wrong():
    for settings in (Settings(control_token=CONTROL), Settings(watch_token=WATCH)):
        admission = Admission(lambda settings=settings: settings)
        assert admission.rights("") is None
        assert admission.rights(None) is None
    assert Admission(Settings).rights(None) == "control"


async def test_a_watch_token_is_offered_no_control(fakes, running, autojump_clock):
    async with running(fakes.Source(), control_token=CONTROL, watch_token=WATCH) as run:
        async with run.client(token=WATCH) as watcher:
            assert (watcher.hello["may"], watcher.hello["offers"]) == (
                "watch",
                ["status", "inspect"],
            )
        async with run.client(token=CONTROL) as boss:
            assert boss.hello["may"] == "control"
            assert "teach" in boss.hello["offers"]
