import pytest
import typer

from spikewire.apps.cli import units as quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [("750ms", 750_000), ("1.5s", 1_500_000), ("0ms", 0), ("20000us", 20_000), ("2min", 120e6)],
)
def test_durations_carry_their_unit(text: str, expected: float) -> None:
    assert quantities.duration_us(text) == expected


@pytest.mark.parametrize("text", ["750", "ms", "-1s", "1 h", "", "1e3ms", "1.s"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 750ms"):
        quantities.duration_us(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("65536", 65_536), ("64kB", 65_536), ("2 KiB", 2_048), ("1MB", 2**20)]
)
def test_bytes_count_in_1024(text: str, expected: int) -> None:
    assert quantities.byte_count(text) == expected


@pytest.mark.parametrize("text", ["", "kB", "-1", "1.5kB", "64kb", "1GB"])
def test_impossible_bytes_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 65536, 64kB or 1MB"):
        quantities.byte_count(text)


@pytest.mark.parametrize(("text", "expected"), [("1", 1.0), ("10x", 10.0), ("max", None)])
def test_speeds(text: str, expected: float | None) -> None:
    assert quantities.speed_factor(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan", ""])
def test_impossible_speeds_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 1, 10x"):
        quantities.speed_factor(text)


def test_names() -> None:
    assert quantities.names(None) == ()
    assert quantities.names("wave, clap") == ("wave", "clap")


@pytest.mark.parametrize("text", ["", "a,,b", "a,a"])
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        quantities.names(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:7", ("localhost", 7)),
        (":7", ("127.0.0.1", 7)),
        ("[::1]:7", ("::1", 7)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert quantities.host_port(text) == expected


@pytest.mark.parametrize("text", ["localhost", "localhost:", "a:0", "a:65536", "a:x", "a:²"])
def test_bad_addresses_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="HOST:PORT"):
        quantities.host_port(text)


def test_what_people_read() -> None:
    assert quantities.format_rate(640) == "640 ev/s"
    assert quantities.format_rate(87_300) == "87 kev/s"
    assert quantities.format_rate(1_230_000) == "1.2 Mev/s"
    assert quantities.format_us(8_800) == "8.8 ms"
    assert quantities.format_bytes(63_400) == "63.4 kB"
