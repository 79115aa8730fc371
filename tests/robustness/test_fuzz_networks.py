"""A short run of the fuzzer of network files."""

from __future__ import annotations

from pathlib import Path

from tests.robustness.fuzz_networks import damage, judge, read_net, whole_net


def test_damaged_networks_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    whole, path = whole_net(tmp_path), tmp_path / "damaged.net"
    assert judge(read_net, tmp_path / "whole.net") == ""
    refused = 0
    for number in range(40):
        path.write_bytes(damage(whole, number))
        assert judge(read_net, path) == ""
        try:
            read_net(path)
        except Exception:
            refused += 1
    assert 0 < refused < 40


def test_another_exception_is_found(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise KeyError(path.name)

    assert "KeyError" in judge(fails, tmp_path)
