"""The N-MNIST network of the NIR paper answers as its graph does in floating point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cnn_digits import judge


@pytest.mark.slow
def test_the_digits_of_the_paper_are_those_of_its_float_graph(data_dir: Path) -> None:
    found = judge(data_dir, every=50)
    assert found.recordings == 20
    assert found.right >= 19
    assert found.same >= 19
