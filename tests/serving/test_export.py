import importlib
import json
import re

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from glimmer_keras.serving import export, saved_model
from glimmer_keras.serving.core_ops import core_ops
from glimmer_keras.serving.settings import Settings
from glimmer_keras.serving.signatures import core_signatures
from tests import EAGERLY

EXPORT = importlib.import_module("glimmer_keras.serving.export")


def model_inputs(store, requests, name):
    """What the Keras model takes in place of a request."""
    inputs = dict(requests[name])
    if "passage_rows" in inputs:
        ids = [passage.id for passage in store.iter_passages()]
        rows = inputs.pop("passage_rows")
        batch = store.read([[None if row < 0 else ids[row] for row in line] for line in rows])
        inputs |= {
            "passage_memory": batch.values,
            "passage_memory_scales": batch.scales,
            "passage_padding_mask": batch.mask,
        }
    return inputs


def generated(glimmer, inputs):
    """Token ids without the start token, lengths, and all that `generate` says."""
    said = glimmer.make_generate_function()(inputs, [1])
    said = {key: keras.ops.convert_to_numpy(value) for key, value in said.items()}
    mask = said["decoder_padding_mask"]
    ids = np.where(mask, said["decoder_token_ids"], 0)
    return ids[:, 1:], mask[:, 1:].sum(axis=1), said


# JAX compiles each anew.
NAMES = ["answer", "answer_from_ids"] if EAGERLY else ["answer_from_ids"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_generate(glimmer, store, requests, replies, name):
    inputs = glimmer.preprocessor.generate_preprocess(model_inputs(store, requests, name))
    ids, lengths, expected = generated(glimmer, inputs)
    reply = replies[name]
    np.testing.assert_array_equal(reply["answer_token_ids"], ids)
    np.testing.assert_array_equal(reply["answer_lengths"], lengths)
    np.testing.assert_allclose(reply["passage_scores"], expected["passage_scores"], atol=1e-4)
    np.testing.assert_array_equal(reply["selected_passages"], expected["selected_passages"])


@pytest.mark.parametrize("name", NAMES)
def test_log_probability_is_that_of_one_pass(glimmer, store, requests, replies, name):
    ids, lengths = replies[name]["answer_token_ids"], replies[name]["answer_lengths"]
    inputs = model_inputs(store, requests, name) | {
        "decoder_token_ids": np.pad(ids[:, :-1], ((0, 0), (1, 0))),
        "decoder_padding_mask": np.arange(ids.shape[1]) < lengths[:, None],
    }
    logits = keras.ops.convert_to_numpy(glimmer(inputs)["logits"]).astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(log_probs, ids[..., None], axis=-1)[..., 0]
    expected = (picked * inputs["decoder_padding_mask"]).sum(axis=1)
    np.testing.assert_allclose(replies[name]["log_probability"], expected, atol=1e-3)


def test_some_answers_end_and_others_are_cut(replies):
    for name in ("answer", "answer_from_ids"):
        lengths = replies[name]["answer_lengths"]
        assert lengths.min() < lengths.max() == replies["answer"]["answer_token_ids"].shape[1]


def test_memory_that_is_encoded_elsewhere_is_the_same(glimmer, requests, replies):
    for key, value in replies["answer"].items():
        np.testing.assert_allclose(value, replies["answer_from_tokens"][key], atol=1e-4)
    inputs = requests["encode_memory"]
    memory = glimmer.backbone.encode_memory(
        inputs["passage_token_ids"], inputs["passage_padding_mask"]
    )
    expected = keras.ops.convert_to_numpy(memory) * inputs["passage_padding_mask"][..., None]
    np.testing.assert_allclose(replies["encode_memory"]["passage_memory"], expected, atol=1e-4)


def test_int8_memory_is_multiplied_with_its_scales(replies):
    for key, value in replies["answer_int8"].items():
        np.testing.assert_allclose(value, replies["answer.dequantized"][key], atol=1e-5)


@pytest.mark.parametrize("suffix", ["", "_int8"])
def test_rerank_gives_the_scores_of_answer(replies, suffix):
    ranked, answer = replies[f"rerank{suffix}"], replies[f"answer{suffix}"]
    np.testing.assert_allclose(ranked["passage_scores"], answer["passage_scores"], atol=1e-5)
    selected = answer["selected_passages"]
    np.testing.assert_array_equal(ranked["passage_ranking"][:, : selected.shape[1]], selected)


@pytest.mark.parametrize("case", ["low", "high"])
def test_rows_that_are_not_there_are_refused(replies, case):
    said = str(replies[f"answer_from_ids.{case}"]["error"])
    assert "`passage_rows` must be from -1 to 13." in said


def test_only_core_ops(graph):
    nodes = list(graph.graph_def.node)
    for function in graph.graph_def.library.function:
        nodes += function.node_def
    ops = {node.op for node in nodes}
    functions = {function.signature.name for function in graph.graph_def.library.function}
    assert "While" in ops
    assert ops - functions <= set(dir(tf.raw_ops))
    assert [op for op in ops if re.search("Xla|PyFunc|Sentencepiece|Custom", op)] == []


def test_description_is_that_of_the_graph(glimmer, store, described, graph):
    signatures = {name: graph.signature_def[name] for name in described["signatures"]}
    assert {*graph.signature_def} == {*signatures, "serving_default", "__saved_model_init_op"}
    for name, signature in signatures.items():
        for part in ("inputs", "outputs"):
            found = {
                key: {
                    "shape": [None if d.size < 0 else d.size for d in info.tensor_shape.dim],
                    "dtype": tf.as_dtype(info.dtype).name,
                }
                for key, info in getattr(signature, part).items()
            }
            assert found == described["signatures"][name][part], name
            assert all(tensor["shape"][0] is None for tensor in found.values())
            assert all(None not in tensor["shape"][1:] for tensor in found.values())
    assert described["fingerprint"] == store.fingerprint
    assert described["table"]["passages"] == len(store) == 14
    assert described["table"]["revision"] == store.revision
    assert described["vocabulary_size"] == glimmer.preprocessor.tokenizer.vocabulary_size()


def test_clients_find_all_they_need(version, store, glimmer):
    assert version.name == "1"
    lines = (version / "assets.extra/passages.jsonl").read_text("utf-8").splitlines()
    passages = [json.loads(line) for line in lines]
    expected = [{"id": p.id, "title": p.title, "text": p.text} for p in store.iter_passages()]
    assert passages == expected
    tokenizer = keras_hub.models.T5Tokenizer((version / "assets.extra/vocabulary.spm").read_bytes())
    assert tokenizer.get_vocabulary() == glimmer.preprocessor.tokenizer.get_vocabulary()
    assert [path.name for path in version.parent.iterdir()] == ["1"]


@pytest.fixture
def refused(glimmer, tmp_path, monkeypatch):
    """What `export` says when it refuses, before anything is done."""

    def nothing(*args, **kwargs):
        raise AssertionError("work was done")

    def refused(error, model=glimmer, path="new", store=None, **options):
        monkeypatch.setattr(saved_model, "new_folder", nothing)
        monkeypatch.setattr(EXPORT, "export_from_other_backend", nothing)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(error) as raised:
            export(model, tmp_path / path, store, **options)
        assert sorted(tmp_path.rglob("*")) == before
        return str(raised.value)

    return refused


def test_no_preprocessor(refused, glimmer):
    bare = type(glimmer)(glimmer.backbone)
    assert refused(ValueError, bare) == (
        "`glimmer` must have a preprocessor. Received: preprocessor=None"
    )


def test_memory_of_another_model(refused, make_model, store):
    other = make_model()
    embeddings = other.backbone.token_embedding.embeddings
    embeddings.assign(2 * embeddings)
    said = refused(ValueError, other, store=store)
    assert "the memory must be made with memory_encoder=" in said
    assert "tokenizer" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beam_size": 0}, "`beam_size` must be an integer of at least 1. Received: beam_size=0"),
        ({"num_passages": 1}, "`num_passages` must be at least 2.*Received: num_passages=1"),
        ({"memory_dtype": "int8"}, "`memory_dtype` must be one of .* memory_dtype='int8'"),
    ],
)
def test_settings_that_do_not_fit(refused, options, said):
    assert re.search(said, refused(ValueError, **options))


def test_large_tables(refused, store):
    said = refused(ValueError, store=store, max_table_bytes=14 * (6 * 12 + 4) - 1)
    assert re.match("The table of 14 passages takes 0.00 GiB.*`force` lifts it", said)


def test_versions_are_not_written_over(refused, tmp_path):
    (tmp_path / "m/7").mkdir(parents=True)
    (tmp_path / "m-text/8").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert "must be a new version" in refused(FileExistsError, path="m/7")
    assert "m-text/8" in refused(FileExistsError, path="m/8", text=True)
    assert "must be a directory" in refused(FileExistsError, path="file")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports in this process")
@pytest.mark.parametrize("step", ["core_ops", "describe", "write_warmup"])
def test_interruption_leaves_nothing(glimmer, tmp_path, monkeypatch, step):
    class Archive:
        def add_endpoint(self, name, run, specs):
            return tf.function(lambda: {})

        def write_out(self, path, verbose):
            (saved_model.Path(path) / "saved_model.pb").write_bytes(b"half")

    def interrupt(*args):
        assert any(tmp_path.rglob(".1-*"))
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.export, "ExportArchive", Archive)
    monkeypatch.setattr(saved_model, "describe", lambda *args: {})
    monkeypatch.setattr(saved_model, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(glimmer, tmp_path / "m/1")
    assert [path.name for path in tmp_path.rglob("*")] == ["m"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports in this process")
def test_of_two_that_are_written_there_are_both_or_none(glimmer, tmp_path, monkeypatch):
    def write(path, *args):
        (path / "saved_model.pb").write_bytes(b"")
        (tmp_path / "m/1/other").mkdir(parents=True, exist_ok=True)

    for name in ("core_signatures", "text_signatures"):
        monkeypatch.setattr(saved_model, name, lambda *args: {})
    monkeypatch.setattr(saved_model, "write_version", write)
    with pytest.raises(FileExistsError, match="m/1', written meanwhile"):
        export(glimmer, tmp_path / "m", text=True)
    assert list((tmp_path / "m-text").iterdir()) == []
    assert export(glimmer, tmp_path / "m", text=True) == tmp_path / "m/2"
    assert [path.name for path in (tmp_path / "m-text").iterdir()] == ["2"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traced in this process")
def test_beams_and_no_scorer(make_model, tokens):
    fid = make_model("fid")
    settings = Settings.of(fid, beam_size=3)
    signature = core_signatures(fid, settings, None)["answer_from_tokens"]
    with core_ops():
        reply = signature.run({key: tf.constant(value) for key, value in tokens.items()})
    assert set(reply) == {"answer_token_ids", "answer_lengths", "log_probability"}
    fid.compile(run_eagerly=True, sampler=keras_hub.samplers.BeamSampler(num_beams=3))
    inputs = fid.preprocessor.generate_preprocess(tokens)
    np.testing.assert_array_equal(reply["answer_token_ids"], generated(fid, inputs)[0])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traced in this process")
def test_a_prior_of_the_passages_is_one_more_input(make_model, tokens):
    model = make_model(passage_prior=True)
    signatures = core_signatures(model, Settings.of(model), None)
    taking = {name for name, s in signatures.items() if "passage_prior" in s.inputs}
    assert taking == set(signatures) - {"encode_memory"}
    prior = np.zeros((len(tokens["question_token_ids"]), 4), "float32")
    prior[:, 1] = 50.0
    inputs = tokens | {"passage_prior": prior}
    with core_ops():
        reply = signatures["answer_from_tokens"].run(
            {key: tf.constant(value) for key, value in inputs.items()}
        )
    np.testing.assert_array_equal(reply["selected_passages"][:, 0], 1)
    token_ids, _, _ = generated(model, model.preprocessor.generate_preprocess(inputs))
    np.testing.assert_array_equal(reply["answer_token_ids"], token_ids)
