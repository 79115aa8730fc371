"""Completion in the shell: commands, and options of a command."""

from __future__ import annotations

import pytest

from spikewire.apps import commands


@pytest.mark.parametrize(
    ("words", "position", "found"),
    [("spikewire rec", "1", ["record"]), ("spikewire record --fo", "2", ["--for"]),
     ("spikewire bench d", "2", ["decide", "decode", "dashboards", "dvsgesture"])],
)  # fmt: skip
def test_the_shell_is_told_what_may_follow(
    words: str, position: str, found: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("_SPIKEWIRE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", position)
    with pytest.raises(SystemExit):
        commands.run([])
    assert capsys.readouterr().out.split() == found
