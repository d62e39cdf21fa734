from glimmer_keras.metrics import Scores


def test_means_by_task_and_over_tasks():
    scores = Scores()
    scores.update("nq", exact_match=[1, 0, 0, 1], f1=[1.0, 0.5, 0.0, 1.0])
    scores.update("fever", exact_match=[1.0])
    assert scores.by_task() == {
        "nq": {"exact_match": 0.5, "f1": 0.625},
        "fever": {"exact_match": 1.0},
    }
    assert scores.average() == {"exact_match": 0.75, "f1": 0.625}
    assert "2 tasks" in repr(scores)


def test_three_uneven_batches_equal_one():
    values = [0.1, 0.7, 0.3, 0.9, 0.2, 0.4]
    whole, parts = Scores(), Scores()
    whole.update("nq", f1=values)
    for part in (values[:3], values[3:4], values[4:]):
        parts.update("nq", f1=part)
    assert parts.by_task() == whole.by_task()
    assert parts.average() == whole.average()


def test_empty_updates_leave_no_mean():
    scores = Scores()
    scores.update("nq", f1=[])
    assert scores.by_task() == {}
    assert scores.average() == {}
