import functools
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import sentencepiece

from glimmer_keras.data import Passage
from glimmer_keras.retrieval import BM25Retriever
from recipes.worlds import fictional_world, words
from recipes.worlds.fictional_world import World, make_world, training_text, write_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


def rows_of(world, tasks=fictional_world.TASKS, splits=("train", "dev", "test")):
    return [row for task in tasks for split in splits for row in world.tasks[task][split]]


def gold_of(row):
    return {part["passage_id"] for part in row["output"][0]["provenance"]}


def compared(row):
    return re.fullmatch(r".*, (.*) and (.*)\?", row["input"]).groups()


SINGLE = ("qa", "slots", "verify")
YEARS = {
    "childhood": "birth year",
    "guild": "prize year",
    "stones": "founding year",
    "shops": "publication year",
}


def test_the_same_seed_gives_the_same_world():
    sizes = {"people": 30, "places": 12, "works": 20}
    assert make_world(3, **sizes) == make_world(3, **sizes)
    assert make_world(3, **sizes) != make_world(4, **sizes)


def test_sizes(world):
    assert len(world.passages) == 1500 * 3 + 120 * 3 + 600 * 3
    for task in SINGLE:
        assert {split: len(rows) for split, rows in world.tasks[task].items()} == {
            "train": 17020,
            "dev": 1664,
            "test": 2076,
        }
    assert len(world.tasks["compare"]["train"]) > 2500
    assert min(len(rows) for rows in world.tasks["compare"].values()) > 200


def test_ids_are_unique_and_provenance_is_in_the_corpus(world):
    passages = {passage["id"] for passage in world.passages}
    assert len(passages) == len(world.passages)
    rows = rows_of(world)
    assert len({row["id"] for row in rows}) == len(rows)
    assert set.union(*map(gold_of, rows)) <= passages


def test_splits_share_no_entity(world):
    subjects = [
        {row["input"].split(" [SEP] ")[0] for row in rows_of(world, ("slots",), (split,))}
        for split in ("train", "dev", "test")
    ]
    assert sum(len(names) for names in subjects) == len(set.union(*subjects)) == 2220
    for split, names in zip(("train", "dev", "test"), subjects, strict=True):
        for row in rows_of(world, ("compare",), (split,)):
            assert set(compared(row)) <= names


def test_every_answer_stands_in_its_passage_with_the_subject(world):
    passages = {passage["id"]: passage for passage in world.passages}
    for row in rows_of(world, tasks=("slots",)):
        passage = passages[gold_of(row).pop()]
        assert row["output"][0]["answer"] in passage["text"]
        assert row["input"].split(" [SEP] ")[0] in passage["text"]


def test_facts_are_what_the_slots_ask(world):
    slots = {
        (gold_of(row).pop(), *row["input"].split(" [SEP] "), row["output"][0]["answer"])
        for row in rows_of(world, tasks=("slots",))
    }
    facts = {(key, *fact) for key, told in world.facts.items() for fact in told}
    assert facts == slots
    titles = {passage["id"]: passage["title"] for passage in world.passages}
    about = [
        [subject == titles[key] for subject, _, _ in told] for key, told in world.facts.items()
    ]
    assert {len(told) for told in about} == {2, 3, 4}
    assert sum(not all(told) for told in about) == 1500  # one fact of a person each


def test_comparisons_need_two_passages_and_put_their_years_in_order(world):
    years = {
        (subject, relation): (int(value), key)
        for key, told in world.facts.items()
        for subject, relation, value in told
        if relation in YEARS.values()
    }
    firsts = []
    for row in rows_of(world, tasks=("compare",)):
        [relation] = [YEARS[word] for word in YEARS if word in row["input"]]
        first, second = compared(row)
        (year, passage), (other_year, other_passage) = (
            years[first, relation],
            years[second, relation],
        )
        assert gold_of(row) == {passage, other_passage}
        assert row["output"][0]["answer"] == " and ".join(map(str, sorted((year, other_year))))
        assert year != other_year
        firsts.append(year < other_year)
    assert abs(sum(firsts) / len(firsts) - 0.5) < 0.03


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_claims_are_balanced_and_false_ones_do_not_name_the_answer(world, split):
    rows = world.tasks["verify"][split]
    labels = Counter(row["output"][0]["answer"] for row in rows)
    assert set(labels) == {"SUPPORTS", "REFUTES"}
    assert abs(labels["SUPPORTS"] / len(rows) - 0.5) < 0.01
    for row, value in zip(*sorted_by_number(world, split), strict=True):
        named = re.search(rf"\b{re.escape(value)}\b", row["input"]) is not None
        assert named == (row["output"][0]["answer"] == "SUPPORTS"), row


def sorted_by_number(world, split):
    claims = sorted(world.tasks["verify"][split], key=lambda row: row["id"])
    slots = sorted(world.tasks["slots"][split], key=lambda row: row["id"])
    return claims, [row["output"][0]["answer"] for row in slots]


def test_words_and_lengths(world):
    texts = [passage["text"] for passage in world.passages]
    inputs = [row["input"] for row in rows_of(world)]
    answers = [row["output"][0]["answer"] for row in rows_of(world)]
    assert len(set(re.findall(r"\w+", " ".join(texts + inputs + answers)))) <= 900
    assert {len(text.split()) for text in texts} <= set(range(30, 56))
    assert max(len(text.split()) for text in inputs) <= 13


def test_closed_lists_share_no_word():
    lists = [words.FIRST_NAMES, words.LAST_NAMES, words.PLACES]
    lists += [words.ADJECTIVES, words.NOUNS, *words.VALUES.values()]
    counts = Counter(word.lower() for words in lists for word in words)
    assert [word for word, count in counts.items() if count > 1] == []


def test_a_small_tokenizer_keeps_words_whole(world):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_text(world)),
        model_writer=model,
        vocab_size=1000,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    names = words.FIRST_NAMES + words.LAST_NAMES + words.PLACES
    split = [name for name in names if len(pieces.encode(name)) > 1]
    assert len(split) <= 10, split
    assert max(len(pieces.encode(f"{p['title']} {p['text']}")) for p in world.passages) <= 64


def test_bm25_finds_the_entity_but_not_always_the_passage(world):
    retriever = BM25Retriever.build([Passage(**passage) for passage in world.passages])
    rows = rows_of(world, splits=("test",))
    found, _ = retriever.search([row["input"] for row in rows], 16)
    places = {passage["id"]: place for place, passage in enumerate(world.passages)}
    gold = [{places[name] for name in gold_of(row)} for row in rows]
    all_evidence = {
        m: sum(need <= {*first[:m]} for need, first in zip(gold, found.tolist(), strict=True))
        for m in (2, 16)
    }
    assert all_evidence[16] >= 0.97 * len(rows)
    assert 0.4 * len(rows) <= all_evidence[2] <= 0.6 * len(rows)


def test_written_files(tmp_path):
    world = make_world(0, people=20, places=10, works=10)
    write_world(world, tmp_path / "new")
    lines = (tmp_path / "new" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == world.passages
    for task, splits in world.tasks.items():
        for split, rows in splits.items():
            lines = (tmp_path / "new" / f"{task}-{split}.jsonl").read_text("utf-8").splitlines()
            assert [json.loads(line) for line in lines] == rows


def test_command(tmp_path, capsys, monkeypatch):
    small = functools.partial(make_world, people=20, places=10, works=10)
    monkeypatch.setattr(fictional_world, "make_world", small)
    assert fictional_world.main([str(tmp_path), "--seed", "1"]) == 0
    assert f"120 passages in {tmp_path}; rows: {{'qa': {{'train': " in capsys.readouterr().out
    lines = (tmp_path / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == small(1).passages
    assert len(list(Path(tmp_path).glob("*.jsonl"))) == 13


def test_too_large_a_world_is_refused():
    with pytest.raises(ValueError, match=r"`places` must be between 10 and 120\. Received"):
        make_world(0, places=121)
