from spikewire.apps.bench.learning.gestures_plan import (
    CLIPS,
    Verdict,
    count_correct,
    evaluate_segment,
    lessons,
    questions,
)


def test_each_round_teaches_every_clip_its_own_name() -> None:
    taught = lessons(3, shuffle=False, seed=0)
    assert len(taught) == 3
    for one_round in taught:
        assert [lesson.clip for lesson in one_round] == list(CLIPS)
        assert all(lesson.label == lesson.clip for lesson in one_round)


def test_shuffled_labels_are_all_wrong_and_dealt_anew() -> None:
    taught = lessons(5, shuffle=True, seed=1)
    for one_round in taught:
        assert sorted(str(lesson.label) for lesson in one_round) == list(CLIPS)
        assert all(lesson.label != lesson.clip for lesson in one_round)
    assert len({tuple(lesson.label for lesson in one_round) for one_round in taught}) > 1
    assert taught == lessons(5, shuffle=True, seed=1)


def test_questions_are_never_shown_in_a_lesson_and_carry_no_name() -> None:
    last = max(lesson.stop_us for lesson in lessons(1, shuffle=False, seed=0)[0])
    assert all(q.start_us >= last and q.label is None for q in questions())
    assert questions()[0].stop_us - questions()[0].start_us == 700_000


def test_the_majority_of_an_excerpt_decides() -> None:
    results = [
        {"segment": 6, "class": "class_03"},
        {"segment": 7, "class": "class_01"},
        {"segment": 7, "class": "class_03"},
        {"segment": 7, "class": "class_01"},
        {"segment": 7, "class": None},
        {"segment": 8, "class": "class_03"},
    ]
    assert evaluate_segment("class_01", 7, results) == Verdict("class_01", "class_01", 0.5, 4)


def test_silence_is_no_answer() -> None:
    assert evaluate_segment("class_01", 0, []) == Verdict("class_01", None, 0.0, 0)
    assert not evaluate_segment("class_01", 1, [{"segment": 1, "class": None}]).correct


def test_counting() -> None:
    verdicts = [Verdict("a", "a", 1.0, 1), Verdict("b", "a", 1.0, 1), Verdict("c", None, 0.0, 0)]
    assert count_correct(verdicts) == 1
