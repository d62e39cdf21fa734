import pytest

from recipes.benchmarks import compressed


@pytest.mark.once_on("tensorflow")
def test_a_world_answered_from_each_type(run, monkeypatch):
    monkeypatch.setattr(compressed, "WORLD", {"seed": 0, "people": 20, "places": 10, "works": 10})
    options = ["--preset", "tiny_world", "--world", "--limit", "2", "--k", "4"]
    report = run(compressed, [*options, "--dtypes", "pq:16"])
    exact, small = report["dtypes"].values()
    assert exact["same_answers"] == 1
    # 8 codes where float32 has four bytes for each of 64 numbers; beside the text and other files.
    won = exact["bytes_a_token"] - small["bytes_a_token"]
    assert won < 4 * 64 - 8
    assert small["bytes_a_token"] < 0.8 * exact["bytes_a_token"]
    assert 0 <= small["same_answers"] <= 1
    assert exact["reranked_recall"] is not None


def test_one_of_both_is_asked():
    with pytest.raises(SystemExit):
        compressed.parse([])


def test_same_answers_by_hand():
    class Said:
        def __init__(self, *answers):
            self.answers = answers

    one = {"a": Said("x", "y"), "b": Said("z", "")}
    other = {"a": Said("x", "no"), "b": Said("z", "")}
    assert compressed.same_answers(one, other) == 3 / 4
