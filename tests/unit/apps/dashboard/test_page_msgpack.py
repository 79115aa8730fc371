"""MessagePack in the page's JavaScript, beside Python's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.support.patience import patience
from tests.support.programs import needed_program

STATIC = Path(__file__).parents[4] / "apps" / "dashboard" / "static"


def node(script: str, given: bytes = b"") -> bytes:
    done = subprocess.run(
        [needed_program("node"), "--input-type=module", "-e", script],
        input=given, capture_output=True, cwd=STATIC, timeout=patience(60),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


VALUES: list[Any] = [
    None, True, False, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32, 2**53 - 1,
    -1, -32, -33, -128, -129, -(2**31), -(2**31) - 1, 0.5, -1e300,
    "", "wave", "ä€😀", "x" * 31, "x" * 32, "x" * 255, "x" * 70_000,
    b"", b"\x00\xff", b"z" * 300, b"z" * 70_000,
    [], [1, [2, [3]]], list(range(20)), list(range(70_000)),
    {}, {"a": {"b": None}}, {str(n): n for n in range(20)}, {"__proto__": 1, "constructor": 2},
]  # fmt: skip


@pytest.mark.slow
def test_the_pages_msgpack_and_pythons_agree() -> None:
    script = """
        import { decodeAll, encode } from "./msgpack.js";
        import { readFileSync, writeSync } from "node:fs";
        for (const value of decodeAll(new Uint8Array(readFileSync(0)))) {
            const bytes = encode(value);
            for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
        }
    """
    packed = b"".join(msgpack.packb(value) for value in VALUES)
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(node(script, packed))
    assert list(unpacker) == VALUES


@pytest.mark.slow
def test_the_pages_msgpack_refuses_what_ends_too_early() -> None:
    script = """
        import { decodeAll } from "./msgpack.js";
        for (const bytes of [[0x81], [0xa3, 0x61], [0xc4, 9], [0xd3, 1], [0xc1], [0x92, 1]]) {
            let refused = false;
            try { decodeAll(Uint8Array.from(bytes)); } catch { refused = true; }
            if (!refused) throw new Error(`taken: ${bytes}`);
        }
    """
    node(script)
