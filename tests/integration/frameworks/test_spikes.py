"""Networks built in other frameworks and exported by them fire here as they do there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.frameworks import CASES, compare, draw, torch_for


def _torch(framework: str) -> Any:
    found = torch_for(framework)
    if isinstance(found, str):
        pytest.skip(f"{found} is not installed")
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("framework", "cell"), CASES)
def test_an_imported_network_fires_as_in_its_framework(framework: str, cell: str) -> None:
    found = compare(framework, cell, draw(1), _torch(framework))
    assert found.bits == 6000
    assert found.spikes > 500
    assert found.wrong <= (16 if framework == "sinabs" else 21)
    assert (found.most > 1) == (cell in ("IAFSqueeze", "LIFTorch"))
