from spikewire.apps.terminal.accuracy import AccuracyCounter


def test_only_results_with_a_known_truth_are_judged() -> None:
    tally = AccuracyCounter()
    tally.add("wave", None)
    assert (tally.results, tally.labelled, tally.accuracy) == (1, 0, None)
    tally.add("wave", "wave")
    tally.add("clap", "wave")
    tally.add(None, "wave")
    assert (tally.results, tally.labelled, tally.correct) == (4, 3, 1)
    assert tally.accuracy == 1 / 3


def test_by_class_names_what_was_said_most() -> None:
    tally = AccuracyCounter()
    for said in ("clap", "clap", "wave"):
        tally.add(said, "wave")
    tally.add("clap", "clap")
    assert tally.by_class() == {
        "wave": {"judged": 3, "right": 1, "mostly": "clap"},
        "clap": {"judged": 1, "right": 1, "mostly": "clap"},
    }


def test_latency_quantiles() -> None:
    tally = AccuracyCounter()
    assert tally.latency_us() is None
    for latency in range(100):
        tally.add("a", None, float(latency))
    assert tally.latency_us() == 50
    assert tally.latency_us(0.99) == 99
    assert tally.latency_us(1.0) == 99
