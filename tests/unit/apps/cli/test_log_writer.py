"""A log that nobody reads: its writers never wait, and what is lost is told."""

import io
import logging
import os
import sys
import time
from contextlib import contextmanager

import pytest

from spikewire.apps.cli.log_writer import LogWriter
from spikewire.apps.service.logs import log_to_stderr
from tests.support.patience import patience


@contextmanager
def piped(monkeypatch):
    """Standard error is a pipe; gives the end that a reader has."""
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    # Within the test: between a fixture and its test pytest puts its own stream there.
    monkeypatch.setattr(sys, "stderr", stream)
    yield reader
    os.close(reader)
    stream.close()


def drain(reader, until):
    told = b""
    while until not in told:
        told += os.read(reader, 1 << 20)
    return told.decode()


def test_a_log_that_nobody_reads_drops_and_counts(monkeypatch):
    with piped(monkeypatch) as pipe:
        writer = LogWriter(most=100)
        line = "x" * 999 + "\n"
        began = time.monotonic()
        for _ in range(5000):
            writer.write(line)
        # A pipe holds 64 KiB: more than 4,800 lines found no room, and nothing waited.
        assert time.monotonic() - began < patience(5)
        assert 4_700 < writer.dropped < 4_950
        assert not writer.flush(0.1)
        text = drain(pipe, b"nobody read it\n")
        assert text.endswith(
            f"{writer.dropped:,} lines of the log were lost, because nobody read it\n"
        )
        assert text.count(line) == 5000 - writer.dropped
        writer.write("again\n")
        assert drain(pipe, b"again\n") == "again\n"
        writer.close()


def test_a_blocked_writer_does_not_hold_up_the_end(monkeypatch):
    with piped(monkeypatch):
        began = time.monotonic()
        with log_to_stderr("info", "text") as log:
            for _ in range(3000):
                logging.getLogger("spikewire.runtime").warning("y" * 500)
            log.console().print("the end")
        assert time.monotonic() - began < patience(10)
        assert len(log.warnings) == 100


def test_a_reader_that_is_gone_is_no_fault(monkeypatch):
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    os.close(reader)
    with log_to_stderr("warning", "json"):
        logging.getLogger("spikewire.runtime").warning("nobody is there")
    stream.close()


@pytest.mark.parametrize("style", ["text", "json"])
def test_lines_and_notes_keep_their_order(style, monkeypatch):
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    with log_to_stderr("warning", style) as log:
        logging.getLogger("spikewire.runtime").warning("first\x1b[31m")
        log.console().print("second\x1b[31m")
        try:
            raise ValueError("a\x1b[2Jb")
        except ValueError:
            logging.getLogger("spikewire.runtime").exception("third")
    text = told.getvalue()
    assert text.index("first") < text.index("second") < text.index("third")
    assert "\x1b" not in text
    assert "ValueError: a" in text
