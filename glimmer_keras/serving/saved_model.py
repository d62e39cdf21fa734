import json
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import keras

from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.serving.core_ops import core_ops
from glimmer_keras.serving.description import (
    ASSETS,
    DESCRIPTION,
    PASSAGES,
    TOKENIZER,
    VERSION,
    describe,
)
from glimmer_keras.serving.memory_table import MemoryTable, table_bytes
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


@dataclass(frozen=True)
class ExportPlan:
    """An export that was checked, of which nothing has been done.

    Args:
        glimmer: The model.
        store: Memory that becomes its table, or `None`.
        settings: Its sizes, and how it decodes.
        target: The directory of the version.
        text_target: That of the version with strings, `None` where there is none.
    """

    glimmer: Glimmer
    store: MemoryStore | None
    settings: Settings
    target: Path
    text_target: Path | None


def plan_export(
    glimmer: Glimmer,
    path: str | os.PathLike[str],
    store: MemoryStore | None,
    *,
    beam_size: int | None = None,
    num_passages: int | None = None,
    memory_dtype: str | None = None,
    question_length: int | None = None,
    text: bool = False,
    max_table_bytes: int = MAX_TABLE_BYTES,
    force: bool = False,
) -> ExportPlan:
    """Check the arguments of `export`, which are these."""
    check_preprocessor(glimmer)
    target = version_path(path)
    text_target = text_version_path(target) if text else None
    settings = Settings.of(glimmer, beam_size, num_passages, memory_dtype, question_length)
    if store is not None:
        check_store(glimmer, store, max_table_bytes, force)
    return ExportPlan(glimmer, store, settings, target, text_target)


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


def write_versions(plan: ExportPlan) -> Path:
    """Write what was planned, under Keras's TensorFlow backend; gives the path of the version."""
    with ExitStack() as versions:
        # What is entered last gets its name first: of two, the one that tells the next version.
        text_work = plan.text_target and versions.enter_context(new_folder(plan.text_target))
        work = versions.enter_context(new_folder(plan.target))
        table = None
        if plan.store is not None:
            table = MemoryTable(plan.store, progress=True)
        signatures = core_signatures(plan.glimmer, plan.settings, table)
        write_version(work, plan, table, signatures)
        if text_work is not None:
            logger.warning(TEXT_WARNING, plan.text_target)
            signatures = text_signatures(plan.glimmer.preprocessor, signatures)
            write_version(text_work, plan, table, signatures)
    for written in (plan.target, plan.text_target):
        if written is not None:
            files = [file for file in written.rglob("*") if file.is_file()]
            logger.info("Exported %s, %.1f MB", written, sum(f.stat().st_size for f in files) / 1e6)
    return plan.target


def write_version(
    path: Path, plan: ExportPlan, table: MemoryTable | None, signatures: Mapping[str, Signature]
) -> None:
    """Write all files of one version into a folder."""
    archive = keras.export.ExportArchive()
    tokenizer = plan.glimmer.preprocessor.tokenizer
    if any("questions" in signature.inputs for signature in signatures.values()):
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
    folder = path / ASSETS
    folder.mkdir()
    description = describe(plan.glimmer, plan.settings, plan.store, traced)
    write_manifest(folder, description, VERSION, DESCRIPTION)
    (folder / TOKENIZER).write_bytes(tokenizer.proto)
    write_warmup(folder / WARMUP, {name: s.inputs for name, s in signatures.items()})
    if table is not None:
        with (folder / PASSAGES).open("w", encoding="utf-8") as file:
            for passage in table.passages:
                row = {"id": passage.id, "title": passage.title, "text": passage.text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
