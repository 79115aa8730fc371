"""A wrong setting is refused, naming it, its value and what is allowed."""

import pytest

from spikewire.runtime import Settings, SettingsError


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", 65_536, "0 to 65535"),
        ("port", "80", "whole number"),
        ("port", True, "whole number"),
        ("gap_ms", -1, "0 to"),
        ("queue_events", 0, "1 to"),
        ("checkpoint_keep", 0, "1 to"),
        ("checkpoint_every_s", float("nan"), "seconds from 0"),
        ("hello_s", 0, "seconds from 0.05"),
        ("stats_every_s", "1", "seconds"),
        ("labels", "both", "'client' or 'source'"),
        ("at_end", "loop", "'exit' or 'stay'"),
        ("learn", 1, "False or True"),
        ("checkpoint_folder", " ", "folder"),
        ("host", "0.0.0.0", "loopback"),
        ("host", "", "host name"),
        ("frame_bytes", 10, "4096"),
    ],
)
def test_refused(name, value, allowed):
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: value})
    assert caught.value.setting == name
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)


def test_accepted():
    Settings()
    Settings(host="::1", port=0, checkpoint_every_s=0)
    with pytest.raises(SettingsError, match="control_token"):
        Settings(host="0.0.0.0", public=True)
    Settings(host="0.0.0.0", public=True, control_token="0123456789abcdef")
