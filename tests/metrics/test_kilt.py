import pytest

from glimmer_keras.metrics import kilt_scores

SAME = 0.999999995  # ROUGE-L of the same text


def output(answer=None, pages=None, **fields):
    found = {} if answer is None else {"answer": answer}
    if pages is not None:
        found["provenance"] = [{"wikipedia_id": page, **fields} for page in pages]
    return found


def row(name, *outputs):
    return {"id": name, "output": list(outputs)}


GOLD = [
    # two answers, each with its page, and two pages that give the answer together
    row(1, output("Vienna", ["10"]), output("Wien", ["11"]), output(pages=["20", "21"])),
    row("b", output("The Harp", ["30"]), output("", ["31"]), output(None)),
    row("c", output("SUPPORTS", ["40"])),
    row("d", output("x", ["50"])),
]
PREDICTIONS = [
    row("1", output(" vienna ", ["21", "20"])),  # not as written, all pages
    row("b", output("harp music", ["30", "30", "31"])),  # a page twice
    row("c", output("SUPPORTS", ["41", "40"])),  # the page is second
    row("d", output("\n", ["50"])),  # no answer
]


def test_by_hand():
    scores = kilt_scores(GOLD, PREDICTIONS, ks=[1, 2])
    # "harp music": 1 of 2 words in 1; not normalised, so nothing is left for ROUGE-L
    assert scores["downstream"] == {
        "accuracy": 1 / 4,
        "em": 2 / 4,
        "f1": pytest.approx((1 + 2 / 3 + 1) / 4),
        "rougel": SAME / 4,
    }
    # R-precision is 1 for rows 1, b and d, and d has no answer
    assert scores["kilt"] == {
        "KILT-accuracy": 0.0,
        "KILT-em": 1 / 4,
        "KILT-f1": pytest.approx((1 + 2 / 3) / 4),
        "KILT-rougel": 0.0,
    }
    # Points of row 1: both pages as one; of b: 30, 31; of c: 41, 40; of d: 50.
    assert scores["retrieval"] == {
        "Rprec": 3 / 4,
        "precision@1": 3 / 4,
        "precision@2": pytest.approx((1 / 2 + 1 + 1 / 2 + 1 / 2) / 4),
        "recall@2": pytest.approx((1 / 3 + 1 + 1 + 1) / 4),
        "success_rate@2": 1.0,
    }


def test_gold_against_itself():
    gold = [row("a", output("Rome", ["1", "2"]))]
    scores = kilt_scores(gold, gold)
    assert scores["kilt"] == {
        "KILT-accuracy": 1.0,
        "KILT-em": 1.0,
        "KILT-f1": 1.0,
        "KILT-rougel": SAME,
    }
    assert scores["retrieval"]["precision@20"] == 1 / 20
    assert list(scores["retrieval"])[:3] == ["Rprec", "precision@1", "precision@5"]
    assert not {"recall@1", "success_rate@1"} & set(scores["retrieval"])


def test_rounding_is_that_of_adding_one_after_another():
    # F1 of one right word in 1, 2 and 6; summed exactly, the mean ends in 8.
    predicted = [row(str(n), output("Rome" + n * " x")) for n in (0, 1, 5)]
    gold = [row(str(n), output("Rome")) for n in (0, 1, 5)]
    assert kilt_scores(gold, predicted)["downstream"]["f1"] == 0.6507936507936507


def test_what_is_ranked():
    gold = [row("a", output("x", ["1"], passage_id="p", start_paragraph_id=4))]
    other = {"wikipedia_id": 1, "passage_id": "p", "start_paragraph_id": 3}
    predicted = [row("a", {"answer": "x", "provenance": [other]})]

    def score(*keys):
        scores = kilt_scores(gold, predicted, [2], keys)
        return scores["retrieval"]["Rprec"], scores["kilt"]["KILT-em"]

    assert score("wikipedia_id") == (1.0, 1.0)
    # Combined scores stay those of pages ...
    assert score("wikipedia_id", "start_paragraph_id") == (0.0, 1.0)
    # ... but for other fields, which are taken for them.
    assert score("passage_id") == (1.0, 1.0)
    assert score("start_paragraph_id") == (0.0, 0.0)
    assert score("title") == (0.0, 0.0)


def test_a_gold_piece_without_the_field_makes_its_set_one_that_is_not_found():
    gold = [row("a", output("x", ["1"]), {"answer": "x", "provenance": [{"title": "T"}]})]
    scores = kilt_scores(gold, [row("a", output("x", ["1"]))], [2])["retrieval"]
    assert (scores["Rprec"], scores["recall@2"]) == (1.0, 1 / 2)


def test_answers_in_context():
    gold = [row("a", output("The Harp", ["1"])), row("b", output("x", ["1"]))]
    texts = [
        output("z", ["1", "2"], text="Nothing."),
        output("z", ["1"], text="He would play the harp"),
    ]
    texts[0]["provenance"].append({"text": "a harp"})  # a piece without a page counts as a place
    scores = kilt_scores(gold, [row("a", texts[0]), row("b", texts[1])], [1, 2, 3])["retrieval"]
    names = [f"answer_in_context@{k}" for k in (1, 2, 3)]
    assert [scores[name] for name in names] == [0.0, 0.0, 1 / 2]


def test_retrieval_only():
    gold = [row("a", output("x", ["1"]))]
    for outputs in ([output(pages=["1"])], [output("x"), output(pages=["1"])]):
        scores = kilt_scores(gold, [row("a", *outputs)], [1], retrieval_only=True)
        assert scores == {"retrieval": {"Rprec": 1.0, "precision@1": 1.0}}


@pytest.mark.parametrize(("answer", "em"), [(1863, 1.0), (None, 0.0), ("", 0.0)])
def test_answers_that_are_not_text(answer, em):
    gold = [row("a", output("1863", ["1"]))]
    predicted = [{"id": "a", "output": [{"answer": answer}]}]
    assert kilt_scores(gold, predicted)["downstream"]["em"] == em


def test_a_gold_row_without_an_answer_counts_for_a_blank_prediction():
    gold = [row("a", output(" ", ["1"])), row("b", output("x", ["1"]))]
    predicted = [row("a", output("")), row("b", output("x"))]
    assert kilt_scores(gold, predicted)["downstream"]["em"] == 1 / 2


def test_any_order():
    expected = kilt_scores(GOLD, PREDICTIONS)
    assert kilt_scores(GOLD, PREDICTIONS[::-1], any_order=True) == expected


X = output("x", ["1"])
AB = [row("a", X), row("b", X)]


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        (AB, AB[:1], r"^`gold` record 2: every gold row must .* Received: none with id='b'$"),
        (AB, [row("c", X)], "none with id='a' and 1 more"),
        (AB, [*AB, row("c", X)], "^`predictions` record 3: field `id` must be that of a gold row"),
        (AB, AB[::-1], "record 1: predictions must be in the order .*id='a' here.*id='b'"),
        (AB, [*AB, row(" a", X)], "record 3: .*unique.*id='a', as at `predictions` record 1"),
        ([*AB, AB[0]], AB, "^`gold` record 3: .*unique"),
        ([{"output": []}], AB, r"`id` must be a string or a number\. Received: \['output'\]"),
        (AB, [row(None, X)], "`id` must be a string or a number. Received: id=None"),
        (AB[:1], [row("a", X, X)], "exactly one output, with `answer`. Received: 2 outputs, 2"),
        (AB[:1], [row("a", X, {})], "Received: 2 outputs, 1 with `answer`"),
        (AB[:1], [row("a")], "Received: 0 outputs, 0 with `answer`"),
        (AB[:1], [row("a", output(pages=["1"]))], "Received: 1 outputs, 0 with `answer`"),
        (AB[:1], [row("a", output(["x", "y"]))], r"`answer` must be one string.*\['x', 'y'\]"),
        (AB[:1], [{"id": "a"}], "`output` must be a list of objects. Received: none"),
        (AB[:1], [{"id": "a", "output": X}], "`output` must be a list of objects"),
        (AB[:1], [row("a", {"answer": "x", "provenance": ["1"]})], r"`provenance` .*\['1'\]"),
        (AB[:1], [row("a", output("x", ["1"], text=3))], "`text` must be a string. Received: 3"),
        ([row("a", output(3, ["1"]))], AB[:1], "`gold` record 1: field `answer` must be a string"),
        ([row("a", output(pages=["1"]))], AB[:1], "`output` must hold an answer. Received: none"),
        ([row("a")], [row("a", output(""))], "`output` must hold an output. Received: none"),
        ([], [], "`gold` must hold at least one record. Received: 0 records"),
    ],
)
def test_bad_rows(gold, predicted, message):
    with pytest.raises(ValueError, match=message):
        kilt_scores(gold, predicted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ks": []}, r"`ks` must be numbers of at least 1, each once\. Received: ks=\[\]"),
        ({"ks": [0, 1]}, "`ks` must"),
        ({"ks": [5, 5]}, "`ks` must"),
        ({"rank_keys": "wikipedia_id"}, "`rank_keys` must be names .*='wikipedia_id'"),
        ({"rank_keys": []}, "`rank_keys` must be names"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kilt_scores(AB, AB, **arguments)
