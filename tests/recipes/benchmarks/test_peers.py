import importlib.util
import json
import sys

import keras
import numpy as np
import pytest
from _benchmark import jit_choices
from _keras_hub_fid import keras_hub_fid
from _peer import start_peer
from benchmark_peers import limits, main, parse

from glimmer_keras import Glimmer
from glimmer_keras.models.sizes import T5_SIZES

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5", "--answers", "1,2"]
SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}


def interpreter(path, body):
    """Options with a peer whose Python is a shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return parse([*SHAPES, "--peer", "hf", "--peer-python", str(path)])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    answer = {f"hf fid {k}": {"encode": 100.0 * k, "1": 10.0, "2": 30.0} for k in (3, 1)}
    body = f"echo '{{}}'\nwhile read line; do echo '{json.dumps(answer)}'; done"
    interpreter(output / "python", body)
    options = ["--batch", "2", "--repeats", "2", "--peer", "hf", "--jit", "off"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", SMALL)
        python = ["--peer-python", str(output / "python")]
        found = main([*SHAPES, *options, *python, "--output", str(output)])
    written = output / f"peers-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    return found


def test_all_systems_are_timed(report):
    (case,) = report["cases"]
    assert list(case["systems"]) == [
        "glimmer 3->1",
        *(f"{kind} {k}" for kind in ("fid", "keras_hub fid", "hf fid") for k in (3, 1)),
    ]
    for name, system in case["systems"].items():
        assert set(system["answers"]) == {1, 2}
        for tokens in (1, 2):
            assert system["answers"][tokens]["median"] > system["encode"]["min"] > 0
        assert ("limits" in system) == (name.split()[0] in ("glimmer", "fid"))
        if not name.startswith("hf"):
            assert set(system["jit"].values()) <= set(jit_choices("off"))


def test_times_and_ratios_of_a_question(report):
    systems = report["cases"][0]["systems"]
    peer, glimmer = systems["hf fid 3"], systems["glimmer 3->1"]
    assert peer["encode"]["median"] == 150.0  # a batch of 2
    assert [peer["answers"][n]["median"] for n in (1, 2)] == [155.0, 165.0]
    expected = 165.0 / glimmer["answers"][2]["median"]
    assert peer["glimmer_faster"][2]["measured"] == pytest.approx(expected)


def test_keras_hub_encodes_as_ours_does():
    fid = Glimmer.from_size("tiny", "fid", **{**SMALL, "dropout": 0.0})
    rng = np.random.default_rng(0)
    question, passages = rng.integers(2, 10, (1, 2)), rng.integers(2, 10, (1, 3, 4))
    read = fid.backbone.read(
        {
            "question_token_ids": question,
            "question_padding_mask": np.ones((1, 2), bool),
            "passage_token_ids": passages,
            "passage_padding_mask": np.ones((1, 3, 4), bool),
        }
    )
    ours = fid.backbone.finish_encoding(read["encoded_passages"])[0]
    joined = np.concatenate([np.repeat(question, 3, axis=0), passages[0]], axis=1)
    theirs = keras_hub_fid(fid).encode(joined, np.ones((3, 6), "int32"))
    np.testing.assert_allclose(np.asarray(theirs), np.asarray(ours), atol=1e-4)


def test_limits_by_hand():
    fid = Glimmer.from_size("tiny", "fid", **SMALL)
    # Two layers of 480 for 15 tokens, and 15 12 5 of attention scores each.
    encode = 2 * 15 * 480 + 2 * 15 * 12 * 5
    # 15 positions take 15 2 96 products, and each token 1232, 432 of them of attention scores.
    found = limits(fid, 3, 1, parse(SHAPES), 1.0, 1e9)
    assert found["encode"] == encode
    assert found[2] == pytest.approx(encode + 2880 + 2 * (1232 + 432))
    assert found[1] < found[2]


def test_a_peer_is_told_what_to_answer(tmp_path):
    options = interpreter(tmp_path / "python", 'echo "$2"\nread line')
    with start_peer("tiny", 4, options) as ask:
        told = ask.ready
    assert (told["batch"], told["passages"], told["answers"]) == (4, [3, 1], [1, 2])


def test_a_peer_without_packages_says_what_to_install(tmp_path):
    options = interpreter(tmp_path / "python", f'{sys.executable} -S "$@"')
    with (
        pytest.raises(ImportError, match=r"pip install .glimmer_keras\[torch\]. transformers"),
        start_peer("tiny", 1, options),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))),
    reason="needs torch and transformers",
)
def test_the_hugging_face_peer():
    with start_peer("tiny", 2, parse([*SHAPES, "--peer", "hf"])) as ask:
        assert ask.ready["answers"] == [1, 2]
        times = ask()
    assert times.keys() == {"hf fid 3", "hf fid 1"}
    assert all(part.keys() == {"encode", "1", "2"} for part in times.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--m", "26"], "--m must be from 1 to --k"),
        (["--question-length", "352"], "--question-length must be from 1 to under"),
    ],
)
def test_bad_options(capsys, options, message):
    with pytest.raises(SystemExit):
        parse(options)
    assert message in capsys.readouterr().err
