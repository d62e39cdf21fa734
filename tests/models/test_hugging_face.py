import json

import numpy as np
import pytest
from safetensors.numpy import load_file

import glimmer_keras as gk
from glimmer_keras.models import tensor_files
from glimmer_keras.utils import files
from glimmer_keras.utils.checksums import CHECKSUMS
from tests import change_manifest
from tests.models.conftest import GLIMMER, SIZES, hugging_face_config, hugging_face_tensors

LIVE = "live_encoder.relative_attention_bias.weight"
OWN = {LIVE, "passage_scorer.layer_norm.weight", "passage_scorer.weight"}


def same_models(one, other):
    assert one.backbone.get_config() == other.backbone.get_config()
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def random_weights(model, rng):
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def trained_apart(reader):
    table = reader.backbone.live_position_bias.table
    table.assign(table + 1.0)


@pytest.mark.parametrize("system", ["fid", "glimmer"])
def test_what_is_written_is_a_t5(t5, tmp_path, system):
    settings = GLIMMER if system == "glimmer" else {}
    reader = gk.Glimmer.from_t5(t5, system, dropout=0.0, **settings)
    reader.export_to_transformers(tmp_path / "new")
    written = load_file(tmp_path / "new/model.safetensors")
    expected = hugging_face_tensors(t5)
    assert set(written) == set(expected) | (OWN if system == "glimmer" else set())
    for name, tensor in expected.items():
        np.testing.assert_array_equal(written[name], tensor)
    if system == "glimmer":
        np.testing.assert_array_equal(
            written["passage_scorer.weight"], np.asarray(reader.backbone.passage_scorer.kernel)
        )
    modes = {path.stat().st_mode for path in (tmp_path / "new").iterdir()}
    assert len(modes) == 1
    config = json.loads((tmp_path / "new/config.json").read_text())
    assert hugging_face_config(t5).items() <= config.items()
    assert config["architectures"] == ["T5ForConditionalGeneration"]
    assert (config["dropout_rate"], config["layer_norm_epsilon"]) == (0.0, 1e-6)
    assert (config["pad_token_id"], config["eos_token_id"]) == (0, 1)
    again = gk.Glimmer.from_t5(tmp_path / "new", "fid", dropout=0.0)
    fid = gk.Glimmer.from_t5(t5, "fid", dropout=0.0)
    for ours, theirs in zip(again.weights, fid.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize(
    "settings",
    [
        {"system": "fid"},
        {"system": "fid", "activation": "relu", "use_gated_activation": False},
        {"system": "fid", "tie_embedding_weights": True, "num_decoder_layers": 1},
        {"system": "fid", "dtype": "bfloat16"},
        {"system": "fid", "dtype": "mixed_bfloat16", "name": "named"},
        {"live_proportion": 0.0, "num_selected": None},
    ],
)
def test_there_and_back_again_as_one_t5(make_model, rng, tmp_path, settings):
    reader = random_weights(make_model(**settings), rng)
    if reader.backbone.split.memory:
        backbone = reader.backbone
        backbone.live_position_bias.table.assign(backbone.memory_encoder.position_bias.table)
    reader.export_to_transformers(tmp_path / "new")
    assert (tmp_path / "new/model.safetensors").is_file()
    same_models(gk.Glimmer.from_hugging_face(tmp_path / "new"), reader)


@pytest.mark.parametrize(
    "settings",
    [
        GLIMMER,  # position biases apart
        {**GLIMMER, "reranker": "separate", "question_encoder": "separate"},
        {"live_proportion": 1 / 3, "num_selected": None, "question_encoder": "separate"},
        {"system": "fid", "cross_attention_key_value_heads": 1},
        {"system": "fid", "num_decoder_layers": 3, "cross_attention_every": 3},
        {
            "system": "fid",
            "activation": "tanh",
            "num_decoder_layers": 3,
            "cross_attention_every": 3,
        },
    ],
)
def test_there_and_back_again_as_no_t5(make_model, rng, tmp_path, settings):
    reader = random_weights(make_model(**settings), rng)
    reader.export_to_transformers(str(tmp_path / "new"))
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"checksums.json", "config.json", "glimmer.json", "glimmer.safetensors"}
    config = json.loads((tmp_path / "new/config.json").read_text())
    assert config == {"model_type": "glimmer", "architectures": ["Glimmer"]}
    same_models(gk.Glimmer.from_hugging_face(str(tmp_path / "new")), reader)
    with pytest.raises(ValueError, match="load it with `Glimmer.from_hugging_face`"):
        gk.Glimmer.from_t5(tmp_path / "new")


def test_texts_are_answered_as_before(make_glimmer, tmp_path):
    reader = make_glimmer(6, 9, 3, 2)
    trained_apart(reader)
    reader.export_to_transformers(tmp_path / "new")
    again = gk.Glimmer.from_hugging_face(tmp_path / "new")
    for name in ("question_length", "passage_length", "answer_length", "num_passages"):
        assert getattr(again.preprocessor, name) == getattr(reader.preprocessor, name)
    assert again.preprocessor.tokenizer.proto == reader.preprocessor.tokenizer.proto
    given = gk.GlimmerPreprocessor(again.preprocessor.tokenizer, passage_length=5)
    again = gk.Glimmer.from_hugging_face(tmp_path / "new", preprocessor=given)
    assert again.preprocessor is given
    (tmp_path / "new/spiece.model").unlink()
    again = gk.Glimmer.from_hugging_face(tmp_path / "new").preprocessor.tokenizer
    assert again.get_vocabulary() == reader.preprocessor.tokenizer.get_vocabulary()
    (tmp_path / "new/tokenizer.json").unlink()
    assert gk.Glimmer.from_hugging_face(tmp_path / "new").preprocessor is None


def test_another_dtype(make_model, rng, tmp_path):
    reader = random_weights(make_model(**GLIMMER), rng)
    reader.export_to_transformers(tmp_path / "new")
    again = gk.Glimmer.from_hugging_face(tmp_path / "new", dtype="bfloat16")
    for ours, theirs in zip(again.weights, reader.weights, strict=True):
        assert ours.dtype == "bfloat16"
        rounded = np.asarray(theirs).astype("bfloat16").astype("float32")
        np.testing.assert_array_equal(np.asarray(ours).astype("float32"), rounded)


def test_several_files(t5, tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "SHARD", 4000)
    reader = gk.Glimmer.from_t5(t5, **GLIMMER)
    reader.export_to_transformers(tmp_path / "new")
    files = sorted(path.name for path in (tmp_path / "new").glob("*.safetensors"))
    assert len(files) > 3
    assert files[-1] == f"model-{len(files):05}-of-{len(files):05}.safetensors"
    assert all((tmp_path / "new" / file).stat().st_size < 4000 + 2500 for file in files)
    same = gk.Glimmer.from_hugging_face(tmp_path / "new", name=reader.backbone.name)
    same_models(same, reader)


def test_the_old_name_warns(make_model, monkeypatch):
    exported = []
    monkeypatch.setattr(
        gk.Glimmer, "export_to_transformers", lambda self, path: exported.append(path)
    )
    with pytest.warns(DeprecationWarning, match="is Glimmer.export_to_transformers now"):
        make_model().save_to_hugging_face("new")
    assert exported == ["new"]


def test_all_of_it_or_nothing(t5, tmp_path, monkeypatch):
    reader = gk.Glimmer.from_t5(t5, "fid")
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError, match="`path` must be new. Received: .*there'"):
        reader.export_to_transformers(tmp_path / "there")

    def full(path):
        raise OSError("disk full")

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(OSError, match="disk full"):
        reader.export_to_transformers(tmp_path / "below/new")
    assert list((tmp_path / "below").iterdir()) == []


def test_an_activation_that_t5_has_no_name_for(tmp_path):
    reader = gk.Glimmer.from_size("tiny", "fid", **{**SIZES, "activation": "tanh"})
    with pytest.raises(ValueError, match="`activation` must be one of .*Received: .*'tanh'"):
        reader.export_to_transformers(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused(t5, write_t5, tmp_path):
    with pytest.raises(FileNotFoundError, match="must have a glimmer.json.*`Glimmer.from_t5`"):
        gk.Glimmer.from_hugging_face(write_t5(t5))
    with pytest.raises(ValueError, match="`from_preset` takes sizes .*Received: .'num_heads'"):
        gk.Glimmer.from_hugging_face(tmp_path, num_heads=2)
    reader = gk.Glimmer.from_t5(t5, "fid")
    reader.export_to_transformers(tmp_path / "new")
    path = tmp_path / "new/glimmer.json"
    (tmp_path / "new" / CHECKSUMS).unlink()
    settings = json.loads(path.read_text())["backbone"]
    change_manifest(path, backbone={**settings, "num_decoder_layers": 4})
    with pytest.raises(ValueError, match="Received: no decoder.block.3.layer.0"):
        gk.Glimmer.from_hugging_face(tmp_path / "new")
    change_manifest(path, version=2)
    with pytest.raises(ValueError, match="`format_version` must be 1. Received: 2"):
        gk.Glimmer.from_hugging_face(tmp_path / "new")


@pytest.mark.once_on("tensorflow")
@pytest.mark.parametrize("form", ["save_to_preset", "export_to_transformers"])
def test_a_flipped_bit_of_any_file_is_named(make_model, tmp_path, form):
    reader, path = make_model(system="lumen"), tmp_path / "new"
    getattr(reader, form)(path)
    for file in (p for p in sorted(path.rglob("*")) if p.is_file()):
        content = file.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 2] ^= 4
        file.write_bytes(changed)
        with pytest.raises(ValueError, match=f"{file.name} is damaged"):
            gk.Glimmer.from_preset(str(path))
        file.write_bytes(content)
    gk.Glimmer.from_preset(str(path))
