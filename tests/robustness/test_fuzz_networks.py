"""A short run of the fuzzer of network files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.robustness.fuzz_networks import KINDS, damage, judge


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_networks_are_read_or_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    make, read = KINDS[kind]
    whole, path = make(tmp_path), tmp_path / f"damaged.{kind}"
    read(tmp_path / f"whole.{kind}")
    refused = 0
    for number in range(35, 75):
        path.write_bytes(damage(whole, number))
        assert judge(read, path) == ""
        try:
            read(path)
        except Exception:
            refused += 1
    assert 0 < refused < 40


def test_another_exception_is_found(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise KeyError(path.name)

    assert "KeyError" in judge(fails, tmp_path)
