import json
import subprocess
import sys

import _startup_parts
import benchmark_startup
import keras
import numpy as np
import pytest
from _resident import resident
from _startup_parts import PARTS, Compilations, by_length
from benchmark_startup import importing, main, medians, parse, run_part

from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models.sizes import T5_SIZES

SMALL = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "num_decoder_layers": 1}
OPTIONS = ["--size", "tiny", "--questions", "40", "--k", "3", "--m", "2", "--passages", "8"]
OPTIONS += ["--question-length", "8", "--passage-length", "16", "--answer-length", "2"]
OPTIONS += ["--repeats", "1"]
BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", SMALL)
        # In this process, which is quicker; `run_part` and `importing` are tried below.
        patch.setattr(benchmark_startup, "run_part", lambda told: PARTS[told["part"]](told))
        patch.setattr(benchmark_startup, "importing", lambda repeats: IMPORTED)
        found = main([*OPTIONS, "--output", str(output)])
    written = output / f"startup-{BACKEND}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    return found


IMPORTED = {"keras_and_keras_hub": {"median": 7.0}, "over_them": {"median": 0.2}}


def test_loading_is_measured(report):
    load = report["load"]
    layer, decoder = 4 * 8 * 6 + 3 * 8 * 12 + 2 * 8, 8 * 8 * 6 + 3 * 8 * 12 + 3 * 8
    norms, tables, scorer = 2 * 8, 3 * 32 * 2, 8
    numbers = 2 * 32128 * 8 + 3 * layer + decoder + norms + tables
    weights = load["weights_megabytes"] * 2**20 / 4
    # The scorer has a norm and a vector, or so: its size is small beside the rest.
    assert numbers <= weights <= numbers + 4 * scorer
    assert load["peak_megabytes"] >= load["loaded_megabytes"]
    assert load["peak_over_weights"] == load["peak_megabytes"] / load["weights_megabytes"]
    assert load["first_answer_seconds"] > 0 < load["second_answer_seconds"]


def test_loading_from_hugging_face_is_measured(report):
    weights = report["load"]["weights_megabytes"]
    for dtype, share in (("float32", 1.0), ("bfloat16", 0.5)):
        load = report[f"load_{dtype}"]
        assert load["weights_megabytes"] == pytest.approx(share * weights)
        assert load["peak_megabytes"] >= load["loaded_megabytes"]
        assert load["peak_over_weights"] == load["peak_megabytes"] / load["weights_megabytes"]


def test_nothing_is_compiled_once_all_shapes_are_met(report):
    answer = report["answer"]
    # Passages of up to 16 tokens have one length; one question, or a batch.
    assert answer["shapes"] == 2
    assert answer["compilations"] == 0
    assert answer["compilations_warming_up"] >= 2
    assert answer["questions"] == 40
    early, last = answer["megabytes"]
    assert 8 <= early < last == 40
    growth = answer["megabytes"][40]["now"] - answer["megabytes"][early]["now"]
    assert answer["growth_megabytes"] == growth


def test_a_compilation_is_counted(make_glimmer):
    compilations, glimmer = Compilations(), make_glimmer(4, 6, 3, 2)
    glimmer.compile(sampler="greedy")

    def ask(length):
        inputs = {
            "question_token_ids": np.full((1, 4), 5, "int32"),
            "question_padding_mask": np.ones((1, 4), bool),
            "passage_token_ids": np.full((1, 2, length), 5, "int32"),
            "passage_padding_mask": np.ones((1, 2, length), bool),
        }
        glimmer.generate(inputs)
        return compilations.count(glimmer)

    first = ask(6)
    assert first > 0
    assert ask(6) == first
    assert ask(5) > first


def test_passages_are_grouped_by_the_length_they_need(tmp_path):
    writer = MemoryStore.create(tmp_path / "store", hidden_dim=2, passage_length=8)
    named = [StoredPassage(name, "", "") for name in "abcd"]
    writer.write_shard(0, np.zeros((4, 8, 2), "float32"), np.array([8, 2, 4, 3]), named)
    writer.complete(1)
    store = MemoryStore.open(tmp_path / "store")
    # 2, 4, 6 or 8 tokens; none needs 6.
    assert by_length(store, (2, 4, 6, 8)) == [["b"], ["c", "d"], ["a"]]


def test_parts_run_in_a_process_of_their_own(monkeypatch):
    called = []

    def run(command, **settings):
        called.append(command)
        return subprocess.CompletedProcess(command, 0, 'said\n{"load_seconds": 3}\n')

    monkeypatch.setattr(subprocess, "run", run)
    assert run_part({"part": "load"}) == {"load_seconds": 3}
    assert called == [[sys.executable, _startup_parts.__file__, '{"part": "load"}']]


def test_importing_tells_the_package_from_what_it_needs(monkeypatch):
    said = iter(["noise\n[7.0, 0.5]\n", "[9.0, 0.1]\n", "[8.0, 0.2]\n"])

    def run(command, **settings):
        assert command[:2] == [sys.executable, "-c"]
        return subprocess.CompletedProcess(command, 0, next(said))

    monkeypatch.setattr(subprocess, "run", run)
    assert importing(3) == {
        "keras_and_keras_hub": {"min": 7.0, "median": 8.0, "max": 9.0},
        "over_them": {"min": 0.1, "median": 0.2, "max": 0.5},
    }


def test_medians_of_rounds():
    assert medians([{"a": 1.0}]) == {"a": 1.0}
    assert medians([{"a": 1.0}, {"a": 5.0}, {"a": 2.0}]) == {
        "a": 2.0,
        "rounds": {"a": {"min": 1.0, "median": 2.0, "max": 5.0}},
    }


def test_the_greatest_memory_is_forgotten():
    resident()
    big = np.ones(2**25)  # 256 MiB
    held = resident()
    del big
    after = resident(), resident()
    assert held["greatest"] >= held["now"] > 256
    assert after[1]["greatest"] < held["greatest"] - 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "4", "--m", "5"], "--k must be from --m to --passages"),
        (["--questions", "5"], "--questions must be 20 or more"),
    ],
)
def test_options_are_checked(options, message, capsys):
    with pytest.raises(SystemExit):
        parse(options)
    assert message in capsys.readouterr().err
