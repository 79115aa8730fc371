from spikewire.apps.terminal.accuracy import AccuracyCounter


def test_only_results_with_a_known_truth_are_judged() -> None:
    counter = AccuracyCounter()
    counter.add("wave", None)
    assert (counter.results, counter.labelled, counter.accuracy) == (1, 0, None)
    counter.add("wave", "wave")
    counter.add("clap", "wave")
    counter.add(None, "wave")
    assert (counter.results, counter.labelled, counter.correct) == (4, 3, 1)
    assert counter.accuracy == 1 / 3


def test_by_class_names_what_was_said_most() -> None:
    counter = AccuracyCounter()
    for said in ("clap", "clap", "wave"):
        counter.add(said, "wave")
    counter.add("clap", "clap")
    assert counter.by_class() == {
        "wave": {"judged": 3, "right": 1, "mostly": "clap"},
        "clap": {"judged": 1, "right": 1, "mostly": "clap"},
    }


def test_latency_quantiles() -> None:
    counter = AccuracyCounter()
    assert counter.latency_us() is None
    for latency in range(100):
        counter.add("a", None, float(latency))
    assert counter.latency_us() == 50
    assert counter.latency_us(0.99) == 99
    assert counter.latency_us(1.0) == 99
