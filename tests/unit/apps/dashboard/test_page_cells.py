"""Pictures as the page's JavaScript reads them, beside Python's."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.sensors import PictureCounts
from tests.unit.apps.dashboard.test_page_msgpack import node


@pytest.mark.slow
def test_the_page_reads_the_cells_that_the_service_packs() -> None:
    picture = PictureCounts((300, 200))
    rng = np.random.default_rng(1)
    for count, across in ((50, 300), (400, 30), (3000, 3)):
        x, y = (rng.integers(0, most, count).astype(np.uint16) for most in (across, 200))
        picture.add(x, y, rng.integers(0, 2, count).astype(np.uint8))
    script = """
        import { Cells, eachCell } from "./cells.js";
        import { readFileSync, writeSync } from "node:fs";
        const cells = new Cells(300 * 200);
        const packed = new Uint8Array(readFileSync(0));
        eachCell({ cells: packed }, (cell, on, off) => cells.add(cell, on, off));
        const held = cells.length;
        const told = Uint8Array.from([...cells.off, ...cells.on]);
        for (let at = 0; at < told.length; ) at += writeSync(1, told, at);
        let gone = 0;
        cells.fade(0.5, 0.6, () => gone++); // all that held one event
        const dense = { on: [0, 2, 0], off: [0, 0, 3] };
        const seen = [];
        eachCell(dense, (...one) => seen.push(one));
        cells.clear();
        const empty = cells.length === 0 && cells.on.every((n) => n === 0);
        console.log(`\\n${held} ${gone} ${JSON.stringify(seen)} ${empty}`);
    """
    packed = picture.pack(1 << 20)
    assert packed is not None
    told, _, said = node(script, packed).rpartition(b"\n")[0].rpartition(b"\n")
    counts = picture.counts()
    off, on = np.frombuffer(told, np.uint8).reshape(2, 200, 300)
    assert np.array_equal(counts[..., 0], off)
    assert np.array_equal(counts[..., 1], on)
    sums = counts.astype(int).sum(axis=2)
    assert said.decode().split() == [
        str(np.count_nonzero(sums)), str(np.count_nonzero(sums == 1)), "[[1,2,0],[2,0,3]]", "true",
    ]  # fmt: skip
