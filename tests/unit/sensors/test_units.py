import pytest

from spikewire.sensors import open_source
from spikewire.sensors.filters.parse import make_filter
from spikewire.sensors.units import parse_bytes, parse_duration, parse_size, parse_speed


@pytest.mark.parametrize(
    ("text", "expected"),
    [("750ms", 750_000), ("1.5s", 1_500_000), (" 20000us ", 20_000), ("2min", 120_000_000)],
)
def test_durations_carry_their_unit(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["750", "ms", "-1s", "1h", "", "1e3ms", "1.s", "²s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 750ms"):
        parse_duration(text)


def test_a_bare_number_takes_the_unit_of_its_place() -> None:
    assert parse_duration("20000", bare="us") == 20_000
    assert parse_duration("3", bare="s") == 3_000_000


@pytest.mark.parametrize(("text", "expected"), [("1", 1.0), ("10x", 10.0), ("MAX", None)])
def test_speeds(text: str, expected: float | None) -> None:
    assert parse_speed(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan", ""])
def test_impossible_speeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 1, 10x"):
        parse_speed(text)


def test_sizes() -> None:
    assert parse_size("346x260") == (346, 260)
    for text in ("346", "0x4", "4x32769", "346 x 260", "-1x1"):
        with pytest.raises(ValueError, match="such as 346x260"):
            parse_size(text)


def test_bytes_count_in_1024() -> None:
    assert [parse_bytes(text) for text in ("65536", "64kB", "2 KiB", "1MB")] == [
        65_536, 65_536, 2_048, 2**20,
    ]  # fmt: skip
    for text in ("", "kB", "-1", "1.5kB", "1GB"):
        with pytest.raises(ValueError, match="64kB"):
            parse_bytes(text)


def test_settings_and_filters_know_the_same_units() -> None:
    assert open_source("sim:?speed=10x").speed == 10  # type: ignore[attr-defined]
    assert make_filter("background:0.5min", (4, 4)).window_us == 30_000_000  # type: ignore[attr-defined]
    assert make_filter("refractory:1.5ms", (4, 4)).dead_us == 1_500  # type: ignore[attr-defined]
