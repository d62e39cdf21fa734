import json
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import keras

from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.serving.core_ops import core_ops
from glimmer_keras.serving.description import DESCRIPTION, PASSAGES, TOKENIZER, VERSION, describe
from glimmer_keras.serving.memory_table import MemoryTable, table_bytes
from glimmer_keras.serving.other_backend import export_from_other_backend
from glimmer_keras.serving.settings import Settings
from glimmer_keras.serving.signatures import Signature, core_signatures
from glimmer_keras.serving.text_signatures import text_signatures
from glimmer_keras.serving.version_directory import text_version_path, version_path
from glimmer_keras.serving.warmup import WARMUP, write_warmup
from glimmer_keras.utils.files import new_folder
from glimmer_keras.utils.manifest import write_manifest

logger = logging.getLogger("glimmer_keras")

MAX_TABLE_BYTES = 8 * 2**30
TEXT_WARNING = (
    "%s needs the SentencePiece ops of tensorflow-text: TensorFlow Serving carries its version "
    "2.12.1, and may not load what a later one wrote. Tokenising in the client works everywhere"
)


def export(
    glimmer: Glimmer,
    path: str | os.PathLike[str],
    store: MemoryStore | None = None,
    *,
    beam_size: int | None = None,
    num_passages: int | None = None,
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
    check_preprocessor(glimmer)
    target = version_path(path)
    text_target = text_version_path(target) if text else None
    settings = Settings.of(glimmer, beam_size, num_passages, memory_dtype)
    if store is not None:
        check_store(glimmer, store, max_table_bytes, force)
    if keras.backend.backend() != "tensorflow":
        options = {
            "beam_size": beam_size,
            "num_passages": num_passages,
            "memory_dtype": memory_dtype,
            "text": text,
            "max_table_bytes": max_table_bytes,
            "force": force,
        }
        return export_from_other_backend(glimmer, target, store, options)

    with ExitStack() as versions:
        # What is entered last gets its name first: of two, the one that tells the next version.
        text_work = text_target and versions.enter_context(new_folder(text_target))
        work = versions.enter_context(new_folder(target))
        table = None
        if store is not None:
            table = MemoryTable(store, progress=True)
        signatures = core_signatures(glimmer, settings, table)
        write(work, glimmer, settings, store, table, signatures)
        if text_work is not None:
            logger.warning(TEXT_WARNING, text_target)
            signatures = text_signatures(glimmer.preprocessor, signatures)
            write(text_work, glimmer, settings, store, table, signatures)
    for written in (target, text_target):
        if written is not None:
            files = [file for file in written.rglob("*") if file.is_file()]
            logger.info("Exported %s, %.1f MB", written, sum(f.stat().st_size for f in files) / 1e6)
    return target


def check_store(glimmer: Glimmer, store: MemoryStore, max_table_bytes: int, force: bool) -> None:
    """Refuse a store that cannot be the table, and tell how large it is."""
    store.check_made_with(memory_fingerprint(glimmer))
    if not len(store):
        raise ValueError(f"`store` must hold at least one passage. Received: {store!r}")
    size = table_bytes(store)
    if size > max_table_bytes and not force:
        raise ValueError(
            f"The table of {len(store)} passages takes {size / 2**30:.2f} GiB, and "
            f"`max_table_bytes` allows {max_table_bytes / 2**30:.2f} GiB; `force` lifts it. "
            f"Received: {store!r}"
        )
    logger.info("The table of %d passages takes %.1f MB", len(store), size / 1e6)


def write(
    path: Path,
    glimmer: Glimmer,
    settings: Settings,
    store: MemoryStore | None,
    table: MemoryTable | None,
    signatures: Mapping[str, Signature],
) -> None:
    """Write all files of one version."""
    archive = keras.export.ExportArchive()
    if any("questions" in signature.inputs for signature in signatures.values()):
        tokenizer = glimmer.preprocessor.tokenizer
        tokenizer.set_proto(tokenizer.proto)  # its resource may be lost: see the preprocessor
        tokenizer.build(None)
        archive.track(tokenizer)
    with core_ops():
        functions = {
            name: archive.add_endpoint(name, signature.run, [signature.inputs])
            for name, signature in signatures.items()
        }
        archive.write_out(str(path), verbose=False)
        traced = {name: function.get_concrete_function() for name, function in functions.items()}
    folder = path / "assets.extra"
    folder.mkdir()
    description = describe(glimmer, settings, store, traced)
    write_manifest(folder, description, VERSION, DESCRIPTION)
    (folder / TOKENIZER).write_bytes(glimmer.preprocessor.tokenizer.proto)
    write_warmup(folder / WARMUP, {name: s.inputs for name, s in signatures.items()})
    if table is not None:
        with (folder / PASSAGES).open("w", encoding="utf-8") as file:
            for passage in table.passages:
                row = {"id": passage.id, "title": passage.title, "text": passage.text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
