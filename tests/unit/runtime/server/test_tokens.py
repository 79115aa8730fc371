"""Tokens: what each allows, and that their comparison tells nothing by its time."""

import ast
import hmac
from pathlib import Path
from types import SimpleNamespace

import pytest

import spikewire
from spikewire.runtime import RequestRefused, Settings
from spikewire.runtime.server import admission

CONTROL, WATCH = "control-secret-0123456789", "watch-secret-01234567890123"
CONTROLLING = {
    "teach": {"label": "a"}, "learn": {"on": False}, "undo": {}, "replay": {"paused": True},
    "record": {"on": True}, "checkpoint": {}, "play": {"name": "clip"},
}  # fmt: skip


@pytest.fixture
def compared(monkeypatch):
    """The secrets that were compared in constant time, in their order."""
    seen = []

    def compare(given, secret):
        seen.append(secret.decode())
        return hmac.compare_digest(given, secret)

    class Hmac:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(admission, "hmac", Hmac)
    return seen


@pytest.mark.parametrize(
    ("given", "rights"),
    [
        (CONTROL, "control"), (WATCH, "watch"), (None, None), ("", None), ("x", None),
        (CONTROL[:-1], None), (CONTROL + "x", None), (WATCH.upper(), None),
        ("geheim-für-alle", None),
    ],
)  # fmt: skip
def test_every_token_is_compared_with_both_secrets_in_constant_time(compared, given, rights):
    settings = Settings(control_token=CONTROL, watch_token=WATCH)
    assert admission.Admission(lambda: settings).rights(given) == rights
    # Always both, in the same order: neither the answer nor its delay tells which one was near.
    assert compared == [CONTROL, WATCH]


class Secret(bytes):
    """Notices any comparison but the constant-time one."""

    def __eq__(self, other):
        raise AssertionError("a secret was compared with ==")

    __hash__ = bytes.__hash__


class Token(str):
    __slots__ = ()

    def encode(self, *_):
        return Secret(str.encode(self))

    def __eq__(self, other):
        raise AssertionError("a secret was compared with ==")

    __hash__ = str.__hash__


@pytest.mark.parametrize("given", [CONTROL, WATCH, "wrong-secret-0123456789", None])
def test_no_token_is_compared_with_equals(given):
    settings = SimpleNamespace(
        control_token=Token(CONTROL), watch_token=Token(WATCH), wants_token=True
    )
    admission.Admission(lambda: settings).rights(given)


def test_no_code_compares_a_token_with_equals():
    """A name with ``token`` in it stands beside no ``==``, ``!=`` or ``in``.

    The one exception compares the two secrets of the settings with each other.
    """
    packages = Path(spikewire.__file__).parent
    found = []
    for package in ("runtime", "apps"):
        for path in (packages / package).resolve().rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Compare) and any(
                    isinstance(how, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for how in node.ops
                ):
                    names = {
                        one.id if isinstance(one, ast.Name) else one.attr
                        for side in (node.left, *node.comparators)
                        for one in ast.walk(side)
                        if isinstance(one, ast.Name | ast.Attribute)
                    }
                    if any("token" in name.lower() for name in names):
                        found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert [one.partition(": ")[2] for one in found] == ["self.watch_token == self.control_token"]


async def test_a_token_for_watching_is_offered_and_given_nothing_else(
    fakes, running, autojump_clock
):
    source = fakes.Shelf()
    async with running(source, watch_token=WATCH, control_token=CONTROL) as run:
        async with run.client(token=WATCH) as client:
            assert client.hello["may"] == "watch"
            assert client.hello["offers"] == ["status", "inspect"]
            assert (await client.status())["ok"]
            for kind, fields in CONTROLLING.items():
                with pytest.raises(RequestRefused) as refused:
                    await client.request(kind, **fields)
                assert refused.value.code == "not_allowed", kind
        assert run.service.first.network_task.teaching.taught is None
        assert source.segment == 0
        async with run.client(token=CONTROL) as client:
            assert client.hello["may"] == "control"
            assert set(client.hello["offers"]) >= {"status", "learn", "teach", "play", "undo"}


async def test_without_a_control_token_a_watch_token_controls_nothing(
    fakes, running, autojump_clock
):
    async with running(fakes.Source(), watch_token=WATCH) as run, run.client(token=WATCH) as client:
        assert (client.hello["may"], client.hello["offers"]) == ("watch", ["status", "inspect"])
        with pytest.raises(RequestRefused, match="watch only"):
            await client.teach("a")
