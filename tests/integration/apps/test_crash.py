"""A short run of tests/robustness/crash.py: killed processes and a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CRASH = Path(__file__).parents[2] / "robustness" / "crash.py"


def test_killed_services_go_on_from_whole_checkpoints() -> None:
    told = subprocess.run(
        [sys.executable, str(CRASH), "--count", "4", "--seed", "3"],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    report = json.loads(told.stdout)
    assert report["with_new_checkpoint"] >= 2
    assert report["during_a_write"] >= 1
    assert report["disk"]["full"]["failures"] > 0
    assert "File exists" in report["disk"]["unwritable"]["error"]
