import os
from pathlib import Path
from typing import Any

import keras

from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer
from glimmer_keras.serving.other_backend import export_from_other_backend
from glimmer_keras.serving.saved_model import MAX_TABLE_BYTES, plan_export, write_versions


def export(
    glimmer: Glimmer,
    path: str | os.PathLike[str],
    store: MemoryStore | None = None,
    *,
    beam_size: int | None = None,
    num_passages: int | None = None,
    question_length: int | None = None,
    memory_dtype: str | None = None,
    text: bool = False,
    max_table_bytes: int = MAX_TABLE_BYTES,
    force: bool = False,
) -> Path:
    """Write a model as a version of a SavedModel, which TensorFlow Serving loads as it is.

    Always done by TensorFlow: under another backend, by a process of its own. The signatures use
    core TensorFlow ops only. In all of them the batch is free and other lengths are those of the
    preprocessor: `n_q` tokens of a question, `k` passages of `n_p` tokens, `n_t` of an answer.

    - `answer`: question, `passage_memory` (B, k, n_p, d) of `memory_dtype`, passage mask.
    - `answer_int8`: the same in int8, with `passage_memory_scales` float32 (B, k, n_p).
    - `answer_from_tokens`: question, `passage_token_ids` int32 (B, k, n_p), passage mask.
    - `answer_from_ids`, with `store`: question, `passage_rows` int32 (B, k), rows of the table, -1
      for a missing passage.
    - `rerank` and `rerank_int8`, with a scorer: as `answer` and `answer_int8`.
    - `encode_memory`: `passage_token_ids` int32 and `passage_padding_mask` bool (B, n_p).

    A question is `question_token_ids` int32 and `question_padding_mask` bool (B, n_q), a passage
    mask `passage_padding_mask` bool (B, k, n_p), all false where a passage is missing.

    What begins with `answer` gives `answer_token_ids` int32 (B, n_t), padded after the end token;
    `answer_lengths` int32 (B,), the end token counted; `log_probability` float32 (B,), the sum of
    log p of these tokens; and with a scorer `passage_scores` float32 (B, k), -1e9 for a missing
    passage, and `selected_passages` int32 (B, m), best first.
    `rerank` gives `passage_scores` and `passage_ranking` int32 (B, k), best first;
    `encode_memory` gives `passage_memory` (B, n_p, d) of `memory_dtype`, zero on padding.

    Beside the SavedModel, `assets.extra` holds `serving.json` with lengths, ids, fingerprint and
    the shapes and dtypes of all signatures; `vocabulary.spm`, the tokenizer; warm-up requests; and
    with `store` `passages.jsonl`, whose line `n` has id, title and text of row `n`, from 0.

    Args:
        glimmer: The model, with a preprocessor.
        path: A directory `DIR/<version>`, the version being an integer; or `DIR`, to which the
            next version is added. A version gets its name when it is complete.
        store: Memory of this model that becomes part of the SavedModel as a table, and takes its
            size in RAM.
        beam_size: Beams to search with, as KerasHub's `BeamSampler`; `None` is greedy.
        num_passages: `k`; by default the preprocessor's, or 25.
        question_length: Tokens to which questions are cut; by default the preprocessor's.
        memory_dtype: `"float32"` or `"bfloat16"`; by default what the model computes in.
        text: Whether to write `DIR-text/<version>` too, where all takes and gives strings.
            The signatures have the same names, but for `answer_from_text`. `questions` is string
            (B,) in place of the question, `passages` string (B, k), or (B,) to `encode_memory`,
            in place of token ids and mask; `answers`, string (B,), comes beside the token ids.
            They need the ops of tensorflow-text, which a server may have in another version.
        max_table_bytes: Largest table to write.
        force: Whether to write a larger table.

    Returns:
        The path of the version.

    Raises:
        ValueError: If there is no preprocessor, the memory is of another model, the table is too
            large, or a number does not fit. Nothing has been done then.
        FileExistsError: If the version exists.
    """
    options: dict[str, Any] = {
        "beam_size": beam_size,
        "num_passages": num_passages,
        "question_length": question_length,
        "memory_dtype": memory_dtype,
        "text": text,
        "max_table_bytes": max_table_bytes,
        "force": force,
    }
    plan = plan_export(glimmer, path, store, **options)
    if keras.backend.backend() == "tensorflow":
        return write_versions(plan)
    return export_from_other_backend(glimmer, plan.target, store, options)
