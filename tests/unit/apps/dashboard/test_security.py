"""Hosts and origins that the dashboard answers to."""

from __future__ import annotations

from spikewire._hosts import host_allowed, own_names
from spikewire.apps.dashboard.security import origin_allowed


def test_hosts() -> None:
    names = own_names("127.0.0.1", public=False)
    for good in ("localhost:7480", "127.0.0.1:7480", "[::1]:7480", "LOCALHOST", "192.168.1.5"):
        assert host_allowed(good, names), good
    for bad in (None, "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "["):
        assert not host_allowed(bad, names), bad
    assert host_allowed("box.lan:80", own_names("box.lan", public=True))


def test_origins() -> None:
    assert origin_allowed("http://localhost:7480", "localhost:7480")
    assert origin_allowed("https://box", "box")
    for bad in (
        None,
        "null",
        "http://evil.example",
        "http://localhost:80",
        "file://localhost:7480",
    ):
        assert not origin_allowed(bad, "localhost:7480"), bad
