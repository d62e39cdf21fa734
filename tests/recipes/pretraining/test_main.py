import json
import lzma
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

import glimmer_keras as gk
from recipes.pretraining import __main__ as recipe
from recipes.pretraining import ask, asking, bert_start, course, held_out, rank, score, ship, trim
from recipes.pretraining.reader import Pretrained
from recipes.pretraining.stream import Shape
from tests.models.test_bert_encoder import write_folder
from tests.recipes.pretraining.conftest import some_passages
from tests.recipes.pretraining.test_ask import tiny_bert
from tests.recipes.pretraining.test_words import folder as word_folder

SHAPE = Shape(batch=2, question=8, passage=16, answer=6)
# One of each system.
PHASES = tuple(replace(course.PHASES[number], share=0.5, shape=SHAPE) for number in (0, 3))


@pytest.fixture
def data(tmp_path):
    """Passages in a compressed file, and a folder of questions."""
    lines = [{"id": p.id, "title": p.title, "text": p.text} for p in some_passages()] * 1
    rows = [
        json.dumps(row | {"id": f"{row['id']}-{n}", "text": f"{row['text']} Page {n}."})
        for n in range(20)
        for row in lines
    ]
    with lzma.open(tmp_path / "text.jsonl.xz", "wt") as file:
        file.write("\n".join(rows))
    folder = tmp_path / "kilt"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    asked = [
        json.dumps(
            {
                "id": f"{part}{n}",
                "input": f"who built the tower on page {n}",
                "output": [{"answer": "Mirelda Voss", "provenance": [{"passage_id": f"p0-{n}"}]}],
            }
        )
        for part in ("a", "b")
        for n in range(20)
    ]
    for name in ("qa-train.jsonl", "qa-dev.jsonl"):
        (folder / name).write_text("\n".join(asked))
    return tmp_path


@pytest.mark.once_on("tensorflow")
def test_from_text_to_a_reader_that_ranks(data, monkeypatch, eager, capsys):
    monkeypatch.setattr(held_out, "HELD_ONE_IN", 4)
    monkeypatch.setattr(course, "PHASES", PHASES)
    timed = []

    def seconds_a_step(reader, batches):
        timed.append(reader.backbone.num_layers)
        return 1.0

    for module in (course, rank):
        monkeypatch.setattr(module, "seconds_a_step", seconds_a_step)
    words = data / "words"
    words.mkdir()
    letters = [prefix + chr(code) for code in range(97, 123) for prefix in ("", "##")]
    word_folder(words, 64, {word: number for number, word in enumerate(["[UNK]", *letters])})
    run = data / "run"
    command = [str(data / "text.jsonl.xz"), "--questions", str(data / "kilt")]
    command += ["--output", str(run), "--words", str(words), "--hours", str(4 / 3600)]
    command += ["--width", "64", "--heads", "1", "--intermediate", "64", "--layers", "2", "1", "1"]
    command += ["--decoder-layers", "1", "--vocabulary-size", "500"]
    assert recipe.main(command) == 0
    kept = json.loads((run / "settings.json").read_text())
    assert [phase["steps"] for phase in kept["plan"]] == [2, 2]
    assert timed == [3, 4]
    reader = gk.Glimmer.from_t5(str(run / "phase-2" / "t5"), "lumen", live_proportion=1 / 2)
    assert reader.backbone.layer_counts["memory"] == 2
    assert recipe.main([*command, "--seed", "2"]) == 2
    assert "seed=1. Received: seed=2" in capsys.readouterr().err

    # A run that is killed in its last phase ends where an unbroken one does.
    whole = load_file(run / "phase-2" / "t5" / "model.safetensors")
    for name in ("t5", "report.json", "checkpoints", "log.csv", "events"):
        path = run / "phase-2" / name
        path.rename(data / name)
    assert recipe.main(command) == 0
    again = load_file(run / "phase-2" / "t5" / "model.safetensors")
    for name, tensor in whole.items():
        np.testing.assert_array_equal(again[name], tensor)

    # Another run goes on from there, without the phases before memory.
    more = [part if part != str(run) else str(data / "more") for part in command]
    more[more.index("--hours") + 1] = str(1 / 3600)
    assert recipe.main([*more, "--start", str(run / "phase-2" / "t5")]) == 2
    assert "`--words` must be left out with `--start`" in capsys.readouterr().err
    place = more.index("--words")
    del more[place : place + 2]
    assert recipe.main([*more, "--start", str(run / "phase-2" / "t5")]) == 0
    assert timed == [3, 4, 4]
    pretrained = Pretrained.of(data / "more")
    assert (pretrained.t5.parent.name, pretrained.system) == ("phase-1", "lumen")
    further = load_file(pretrained.t5 / "model.safetensors")
    for name, tensor in whole.items():
        assert 0 <= np.abs(further[name] - tensor).max() < 0.1
    more[more.index(str(data / "more"))] = str(data / "other")
    assert recipe.main([*more, "--start", str(run / "phase-1" / "t5")]) == 2
    assert "'num_layers': 4}. Received: {'num_layers': 3}" in capsys.readouterr().err

    # A BERT for an encoder learns to read.
    letters_of_bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters]
    write_folder(data, "bert", words=letters_of_bert, max_position_embeddings=24)
    monkeypatch.setattr(course, "BERT_PHASES", PHASES[1:])
    start = [str(data / "text.jsonl.xz"), "--bert", str(data), "--output", str(data / "start")]
    start += ["--layers", "4", "--vocabulary-size", "320", "--carried"]
    assert bert_start.main([*start, "9"]) == 2
    assert "`--carried` must be at most the width of the BERT, 8" in capsys.readouterr().err
    assert bert_start.main([*start, "4"]) == 0
    assert "parameters" in capsys.readouterr().out
    learned = [str(data / "learned") if part == str(data / "other") else part for part in more]
    assert recipe.main([*learned, "--start", str(data / "start")]) == 0
    pretrained = Pretrained.of(data / "learned")
    assert len(pretrained.fingerprint) == 64
    backbone = pretrained.load(None).backbone
    assert (backbone.encoder_block, backbone.hidden_dim, backbone.num_layers) == ("bert", 8, 4)
    assert backbone.memory_dim == 8 + 2 * 4
    trims = ["--run", str(data / "learned"), "--output", str(data / "trimmed")]
    assert trim.main([*trims, "--vocabulary-size", "0"]) == 2
    most = backbone.vocabulary_size - 1
    assert trim.main([*trims, "--vocabulary-size", str(most)]) == 0
    smaller = Pretrained.of(data / "trimmed").load(None)
    assert smaller.preprocessor.tokenizer.vocabulary_size() == most
    rows = [np.asarray(b.token_embedding.embeddings) for b in (smaller.backbone, backbone)]
    np.testing.assert_array_equal(rows[0], rows[1][:most])

    monkeypatch.setattr(ask, "PART", 4)
    monkeypatch.setattr(ask, "AT_ONCE", 4)
    bert = tiny_bert(data / "bert", ["[UNK]", "[CLS]", "[SEP]", *letters])
    asks = ["--run", str(run), "--bert", str(bert), "--output", str(data / "asked")]
    asks += ["--questions", "4", "--steps", "1", "--pointer-steps", "1"]
    assert ask.main(asks) == 2
    assert "There must be questions whose answers, of up to 10 tokens" in capsys.readouterr().err
    monkeypatch.setattr(asking, "LONGEST", 20)
    assert ask.main(asks) == 0
    assert (data / "asked" / "questions" / "corpus.jsonl").is_file()
    assert ask.main([*asks, "--seed", "2"]) == 2
    assert "seed=1. Received: seed=2" in capsys.readouterr().err

    monkeypatch.setattr(rank, "LENGTHS", (8, 16, 6))
    monkeypatch.setattr(rank, "NUM_PASSAGES", 4)
    ranked = ["--run", str(run), "--data", str(data / "kilt"), "--output", str(data / "ranked")]
    ranked += ["--batch-size", "2", "--hours"]
    ranked[-1:] = ["--asked", str(data / "asked"), "--hours"]
    assert rank.main([*ranked, str(1 / 3600)]) == 0
    assert len(list((run / "ranking").glob("pointed-*/held-qa-*.npy"))) == 1
    assert rank.main([*ranked, "1"]) == 2
    assert "hours=0.0002" in capsys.readouterr().err
    assert {"qa", "average"} == set(json.loads((data / "ranked" / "held.json").read_text()))
    glimmer = gk.Glimmer.from_preset(str(data / "ranked" / "preset"))
    assert glimmer.backbone.passage_prior
    assert glimmer.backbone.layer_counts["stage A"] == 1
    shipped = data / "shipped"
    assert ship.main(["--preset", str(data / "ranked" / "preset"), "--output", str(shipped)]) == 0
    light = gk.Glimmer.from_preset(str(shipped))
    assert light.backbone.dtype_policy.name == "float32"
    for ours, theirs in zip(light.weights, glimmer.weights, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-3, atol=1e-6)
    # It is a T5 as well, from which others can start.
    started = gk.Glimmer.from_t5(str(shipped), "fid")
    assert started.backbone.num_layers == light.backbone.num_layers
    assert score.main(["--run", str(run), "--data", str(data / "kilt"), "--part", "dev"]) == 0
    assert "qa" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--hours 0", "`--hours` must be over 0. Received: 0.0"),
        ("--dropout 1", "`--dropout` must be from 0 to under 1. Received: 1.0"),
        ("--layers 0 1 1", "`--layers` must be at least 1 each. Received: [0, 1, 1]"),
        ("--start nowhere", "`--start` must be a T5 of a run. Received: nowhere"),
        ("--questions nowhere", "nowhere must be a file of passages or a folder as KILT's"),
    ],
)
def test_bad_options(data, capsys, options, message):
    output = data / "run"
    assert (
        recipe.main([str(data / "text.jsonl.xz"), "--output", str(output), *options.split()]) == 2
    )
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not output.exists()
