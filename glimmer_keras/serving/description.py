from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.serving.memory_table import table_bytes
from glimmer_keras.serving.settings import Settings

ASSETS = "assets.extra"  # where a SavedModel has what is not of its graph
DESCRIPTION = "serving.json"
TOKENIZER = "vocabulary.spm"
PASSAGES = "passages.jsonl"
VERSION = 1


def describe(
    glimmer: Glimmer,
    settings: Settings,
    store: MemoryStore | None,
    functions: Mapping[str, Any],
) -> dict[str, Any]:
    """Give what a client has to know of an export, as plain values.

    Args:
        glimmer: The model.
        settings: Of the export.
        store: Of the table, if there is one.
        functions: The traced function of each signature.
    """
    tokenizer = glimmer.preprocessor.tokenizer
    table = None
    if store is not None:
        table = {
            "passages": len(store),
            "dtype": store.dtype,
            "bytes": table_bytes(store),
            "revision": store.revision,
            "file": PASSAGES,
        }
    return {
        "question_length": settings.question_length,
        "passage_length": settings.passage_length,
        "answer_length": settings.answer_length,
        "num_passages": settings.num_passages,
        "num_selected": settings.num_selected,
        "hidden_dim": settings.hidden_dim,
        "memory_dtype": settings.memory_dtype,
        "compute_dtype": glimmer.backbone.compute_dtype,
        "beam_size": settings.beam_size,
        "tokenizer": TOKENIZER,
        "vocabulary_size": tokenizer.vocabulary_size(),
        "pad_id": tokenizer.pad_token_id,
        "end_id": tokenizer.end_token_id,
        "special_ids": sorted(tokenizer.special_token_ids),
        "fingerprint": memory_fingerprint(glimmer),
        "calibration": glimmer.calibration,
        "table": table,
        "signatures": {
            name: {
                "inputs": _tensors(function.structured_input_signature[0][0]),
                "outputs": _tensors(function.structured_outputs),
            }
            for name, function in functions.items()
        },
    }


def _tensors(tensors: Mapping[str, tf.TensorSpec]) -> dict[str, dict[str, Any]]:
    return {
        name: {"shape": tensor.shape.as_list(), "dtype": tensor.dtype.name}
        for name, tensor in tensors.items()
    }
