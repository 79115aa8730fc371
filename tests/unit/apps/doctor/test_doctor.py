"""`spikewire doctor`: cameras by the system's files, extras by the metadata, and the advice."""

from __future__ import annotations

import fnmatch
import json
import re
import socket
from pathlib import Path

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.doctor import cameras, installation
from spikewire.apps.doctor.command import _cameras, advice

NAMES = {"idVendor": "152a", "idProduct": "841a", "busnum": "1", "devnum": "7"}


def plug_in(folder: Path, name: str, **facts: str) -> None:
    device = folder / "devices" / name
    device.mkdir(parents=True)
    for fact, text in {**NAMES, "product": "DAViS FX3", **facts}.items():
        (device / fact).write_text(text + "\n")
    node = folder / "nodes" / facts.get("busnum", "1").zfill(3)
    node.mkdir(parents=True, exist_ok=True)
    (node / facts.get("devnum", "7").zfill(3)).write_bytes(b"")


def test_cameras_are_found_among_other_devices(tmp_path: Path) -> None:
    plug_in(tmp_path, "1-1")
    plug_in(tmp_path, "1-2", idVendor="1d6b", idProduct="0002", devnum="2")  # a hub
    plug_in(tmp_path, "2-1", idVendor="04b4", idProduct="00f5", busnum="2", devnum="13")
    plug_in(tmp_path, "2-2", idVendor="04b4", idProduct="6570", busnum="2", devnum="3")  # a hub
    (tmp_path / "devices" / "usb1").mkdir()
    found = cameras.usb_devices(tmp_path / "devices", tmp_path / "nodes")
    assert [(one.maker, one.usb) for one in found] == [
        ("iniVation", "152a:841a"), ("Prophesee", "04b4:00f5"),
    ]  # fmt: skip
    assert found[0].product == "DAViS FX3"
    assert found[1].node == str(tmp_path / "nodes" / "002" / "013")
    assert all(one.allowed for one in found)
    Path(found[1].node).unlink()
    found = cameras.usb_devices(tmp_path / "devices", tmp_path / "nodes")
    assert [one.allowed for one in found] == [True, False]
    assert cameras.usb_devices(tmp_path / "nothing") == []


def test_the_rules_match_the_cameras_that_are_looked_for() -> None:
    rules = cameras.udev_rules().splitlines()
    for rule, (_, vendor, pattern, _) in zip(rules, cameras.KNOWN, strict=True):
        assert f'idVendor}}=="{vendor}"' in rule
        products = rule.partition('idProduct}=="')[2].partition('"')[0]
        for number in (*range(0x200), *range(0x8000, 0x9000)):
            name = f"{number:04x}"
            assert bool(re.fullmatch(pattern, name)) == fnmatch.fnmatchcase(name, products)


def test_missing_packages_are_told_by_extra() -> None:
    lines = [
        "numpy>=1", 'spikewire-none>=1; extra == "nothing"', 'numpy>=1; extra == "nothing"',
        'numba>=0.6; extra == "whole"', "absent; extra == 'dev'",
    ]  # fmt: skip
    assert installation.extras(lines) == {"nothing": ["spikewire-none"], "whole": []}
    assert {"camera", "http", "nats", "plot", "twin"} <= set(installation.extras())
    assert "dev" not in installation.extras()


def test_the_processor_is_read_from_the_system(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("model name\t: Some Chip\nflags\t\t: fpu avx2 avx512f\n\nmodel name\t: Other\n")
    assert installation.processor(path)["name"] == "Some Chip"
    assert installation.processor(path)["features"] == ["avx2", "avx512f"]
    assert installation.processor(tmp_path / "none")["features"] is None
    assert installation.processor(tmp_path / "none")["cores"] >= 1


def test_a_taken_port_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert installation.ports({"page": port}) == {"page": {"port": port, "free": False}}
    assert installation.ports({"page": port})["page"]["free"]


def test_advice_names_what_to_do() -> None:
    report = {
        "usb": [{"allowed": False}], "cameras": None, "packages": {"aestream": None},
        "kernels": {"qcore": {"compiled": False}},
        "ports": {"service": {"port": 7462, "free": False}, "page": {"port": 7480, "free": False}},
    }  # fmt: skip
    said = "\n".join(advice(report))
    assert cameras.RULES_FILE in said
    assert cameras.udev_rules() in said
    for words in ("spikewire[camera]", "3.11", "compiles", "7462", "--port", "--http-port"):
        assert words in said
    calm = {
        "usb": [], "cameras": [], "packages": {"aestream": "0.6"},
        "kernels": {"qcore": {"compiled": True}},
        "ports": {"service": {"port": 7462, "free": True}},
    }  # fmt: skip
    assert advice(calm) == []


def test_the_report_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["spikewire"]
    assert report["packages"]["numpy"]
    assert set(report["kernels"]) == {"qcore", "sensors"}
    assert Path(report["kernels"]["qcore"]["folder"]).is_absolute()
    assert set(report["ports"]) == {"service", "page"}
    assert cli.run(["doctor"]) == 0
    told = capsys.readouterr().out
    for name in ("spikewire", "processor", "extras", "kernels", "cameras", "ports"):
        assert f"\n{name}" in f"\n{told}"


def test_cameras_that_cannot_be_listed_are_told_in_words() -> None:
    unlisted = {"name": None, "serial": None, "error": "Other error"}
    assert _cameras([unlisted]) == "those on USB cannot be listed: Other error"
    assert _cameras([{"name": "EVK4", "serial": "7", "error": None}]) == "EVK4 7"
    assert _cameras([]) == "none"
