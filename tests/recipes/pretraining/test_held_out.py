from glimmer_keras.data import Example, Provenance, Task
from recipes.pretraining.held_out import split_task


def test_one_passage_in_twenty_is_held_out_with_its_questions():
    gold = [((Provenance(f"p{number % 300}"),),) for number in range(600)]
    examples = [Example(str(n), "qa", "who", ("a",), e) for n, e in enumerate(gold)]
    trained, held = split_task(Task("qa", examples))
    assert 10 <= len(held) <= 50  # 30 are to be expected
    passages = [{e.evidence[0][0].passage_id for e in part} for part in (trained, held)]
    assert not passages[0] & passages[1]
    assert split_task(Task("qa", list(held)))[0] is None
