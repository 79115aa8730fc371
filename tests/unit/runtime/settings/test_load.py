"""Settings put together: each place over the one before, and every mistake named with its place."""

import json

import pytest

from spikewire.apps.commands import run
from spikewire.runtime import Settings, SettingsError, load_settings


def test_each_place_wins_over_the_one_before(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        '[service]\nport = 1001\nhello_s = 2\nlearn = false\nwatch_token = "w23456789012345678"\n'
    )
    found = load_settings(
        path, {"SPIKEWIRE_PORT": "1002", "SPIKEWIRE_GAP_MS": "7", "HOME": "/"}, {}
    )
    assert (found.settings.port, found.settings.gap_ms) == (1002, 7)
    assert (found.settings.hello_s, found.settings.learn) == (2, False)
    assert found.origins["port"] == "environment"
    assert found.origins["hello_s"] == str(path)
    assert found.origins["host"] == "default"
    assert found.shown()["watch_token"] == "..."
    found = load_settings(path, {"SPIKEWIRE_PORT": "1002"}, {"port": 1003})
    assert (found.settings.port, found.origins["port"]) == (1003, "command line")
    assert load_settings(None, {}, {}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[service]\nprot = 1", "prot"),
        ("[servce]\nport = 1", r"the tables \[service\] and \[pipelines.NAME\]"),
        ("port = 1", r"the tables \[service\] and \[pipelines.NAME\]"),
        ("[service]\nport = 70000", r"port is 70000; allowed is .* \(it is from the file "),
        ("[service]\nport = ", "TOML"),
    ],
)
def test_mistakes_in_a_file_are_named(text, says, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_settings(path, {}, {})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PORT", "many", "port is 'many'; allowed is a number, from the environment"),
        ("PORT", "-1", r"\(it is from the environment\)"),
        ("LEARN", "maybe", "learn is 'maybe'; allowed is 1 or 0"),
    ],
)
def test_mistakes_in_the_environment_are_named(name, text, says):
    with pytest.raises(SettingsError, match=says):
        load_settings(None, {f"SPIKEWIRE_{name}": text}, {})


def test_the_command_prints_values_and_origins(tmp_path, monkeypatch, capsys):
    path = tmp_path / "s.toml"
    path.write_text("[service]\nport = 1001\n")
    monkeypatch.setenv("SPIKEWIRE_LEARN", "0")
    monkeypatch.setenv("SPIKEWIRE_CONTROL_TOKEN", "a-secret-of-some-length")
    assert run(["config", "--config", str(path), "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert found["port"] == {"value": 1001, "from": str(path)}
    assert found["learn"] == {"value": False, "from": "environment"}
    assert "a-secret" not in printed
    assert run(["config"]) == 0
    assert "environment" in capsys.readouterr().out
    assert run(["config", "--config", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert run(["run", "--source", "sim:", "--config", str(tmp_path / "none.toml")]) == 2
