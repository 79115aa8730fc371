"""A listener without descriptors: logged once, and it goes on."""

import errno
import logging
import os

import pytest
import trio

from spikewire.runtime.net.listener import PatientListener


class Short:
    """Listener whose accept fails with each error given, and then gives a stream."""

    socket = None

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    async def accept(self):
        await trio.lowlevel.checkpoint()
        if self.numbers:
            number = self.numbers.pop(0)
            raise OSError(number, os.strerror(number))
        return "a stream"


async def test_a_shortage_is_logged_once_and_waited_for(autojump_clock, caplog):
    caplog.set_level(logging.INFO)
    short = Short(*[errno.EMFILE] * 300, errno.ENFILE)
    began = trio.current_time()
    listener = PatientListener(short)
    assert await listener.accept() == "a stream"
    assert trio.current_time() - began == pytest.approx(30.1, abs=1)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "no new connection can be accepted for now: Too many open files",
        "new connections are accepted again",
    ]
    short.numbers = [errno.EMFILE]
    assert await listener.accept() == "a stream"
    assert len(caplog.records) == 2


async def test_other_errors_are_raised():
    with pytest.raises(OSError, match="Bad file"):
        await PatientListener(Short(errno.EBADF)).accept()
