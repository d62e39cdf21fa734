from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models.inputs import PRIOR
from glimmer_keras.pipelines.answerer import Answerer, Inputs
from glimmer_keras.pipelines.passage_sources import (
    CorpusPassages,
    CorpusSource,
    PassageSource,
    Rows,
    StoreSource,
)
from glimmer_keras.retrieval import Retriever
from glimmer_keras.serving.exported import Exported


class ExportedReader(Answerer):
    """Answers questions by an exported model, wherever that runs.

    Args:
        exported: What is read of the export.
        predict: Runs a signature, by its name and inputs.
        store: Memory of the same model, to be given to it.
        retriever: Finds the passages of a question; its rows count those of the store, corpus or
            table.
        corpus: Passages to be given as token ids, in place of a store; without both they are rows
            of the table in the model.
        batch_size: Most questions at once.
        min_confidence: Answers with less are left empty.

    Raises:
        ValueError: If the memory is of another model, there is nothing to read from, or the
            retriever is over another number of passages.
    """

    def __init__(
        self,
        exported: Exported,
        predict: Callable[[str, Inputs], Mapping[str, np.ndarray]],
        store: MemoryStore | None = None,
        retriever: Retriever | None = None,
        *,
        corpus: Corpus | None = None,
        batch_size: int = 8,
        min_confidence: float = 0.0,
    ) -> None:
        description = exported.description
        self.signature, source = _source(exported, store, corpus)
        super().__init__(
            source,
            retriever,
            exported.spec,
            question_length=description["question_length"],
            passage_lengths=[description["passage_length"]],
            num_passages=description["num_passages"],
            batch_size=batch_size,
            fill=False,
            takes_prior=PRIOR in description["signatures"][self.signature]["inputs"],
            calibration=description.get("calibration", (1.0, 0.0)),
            min_confidence=min_confidence,
        )
        self._exported, self._predict = exported, predict

    def run(self, inputs: Inputs) -> Mapping[str, Any]:
        """Run the signature that takes these inputs; see `Answerer.run`."""
        # Passages that were given are token ids, whatever the others are.
        signature = "answer_from_tokens" if "passage_token_ids" in inputs else self.signature
        tensors = self._exported.description["signatures"][signature]["inputs"]
        if PRIOR in tensors and PRIOR not in inputs:
            # As `rank_prior` has it: passages come in the order of the first stage.
            order = -np.log2(1 + np.arange(self.num_passages, dtype="float32"))
            inputs = inputs | {PRIOR: np.tile(order, (len(inputs["question_token_ids"]), 1))}
        dtypes = {name: tf.as_dtype(tensors[name]["dtype"]).as_numpy_dtype for name in inputs}
        return self._predict(
            signature, {name: inputs[name].astype(dtypes[name]) for name in inputs}
        )

    def texts(self, outputs: Mapping[str, Any]) -> list[str]:
        """Detokenise the answers."""
        special = set(self._exported.description["special_ids"])
        rows = [
            [token for token in row[:length].tolist() if token not in special]
            for row, length in zip(
                outputs["answer_token_ids"], outputs["answer_lengths"], strict=True
            )
        ]
        ragged = tf.ragged.constant(rows, dtype="int32", ragged_rank=1)
        return [str(text) for text in self._exported.tokenizer.detokenize(ragged)]


class _TableSource(CorpusPassages):
    """The passages whose memory is in the model, asked for by row."""

    def inputs(
        self, passages: Rows, num_passages: int, lengths: Sequence[int]
    ) -> dict[str, np.ndarray]:
        rows = [
            [self._corpus.row(p.id) for p in row] + [-1] * (num_passages - len(row))
            for row in passages
        ]
        return {"passage_rows": np.array(rows, "int32")}


def _source(
    exported: Exported, store: MemoryStore | None, corpus: Corpus | None
) -> tuple[str, PassageSource]:
    """Give the signature to run, and where its passages are from."""
    description = exported.description
    if store is not None and corpus is not None:
        raise ValueError("At most one of `store` and `corpus` must be given. Received: both")
    if store is not None:
        store.check_made_with(description["fingerprint"])
        return "answer_int8" if store.dtype == "int8" else "answer", StoreSource(store)
    if corpus is not None:
        source = CorpusSource(corpus, exported.spec, description["passage_length"])
        return "answer_from_tokens", source
    if not description["table"]:
        raise ValueError(
            "`store` or `corpus` must be given to a model that was exported without a table. "
            "Received: neither"
        )
    return "answer_from_ids", _TableSource(exported.table())
