import os
from collections.abc import Sequence
from typing import Any, Protocol, overload

import numpy as np
import tensorflow as tf

from glimmer_keras.data import Corpus, pad_tokens, padding_mask
from glimmer_keras.data.token_ids import report_truncated
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines.answer import Answer
from glimmer_keras.pipelines.find_passages import Ids, find_passages
from glimmer_keras.pipelines.passage_source import CorpusPassages, PassageSource, StorePassages
from glimmer_keras.pipelines.rank_passages import rank_passages
from glimmer_keras.retrieval import Retriever
from glimmer_keras.serving.exported import Exported
from glimmer_keras.serving.grpc_transport import GrpcTransport
from glimmer_keras.serving.rest_transport import RestTransport
from glimmer_keras.serving.table_passages import TablePassages


class Transport(Protocol):
    """A way to a server."""

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def close(self) -> None: ...


class Client:
    """Answers questions by a served model: strings in, `Answer` out, as a `Reader` gives them.

    No model is loaded: questions are tokenised here, by the exported tokenizer. Passages are sent
    as memory from `store` (`answer_int8` or `answer`), as texts of `corpus` (in tokens, to
    `answer_from_tokens`), or by default as rows of the table in the model (`answer_from_ids`).

    Args:
        url: `host:port` for gRPC, which takes the `serving` extra, or `http://host:port` for REST,
            whose JSON costs seconds where memory is sent.
        export: What `serving.export` wrote: `DIR`, `DIR/<version>`, or a copy of its
            `assets.extra`. Requests name this version, as memory and rows are of no other; with a
            copy of `assets.extra` the newest is asked, and it is yours to see that it is the same.
        store: Memory of the same model, to be sent along.
        retriever: Finds the passages of a question; its rows count those of the store, corpus or
            table. `None` where passage ids are always given.
        corpus: Passages to be sent as text, in place of a store.
        model: What the server calls the model; by default the name of `DIR`.
        batch_size: Most questions in a request.
        deadline: Seconds for a request, its retries among them.
        retries: Tries after the first, if the server is not there or has too much to do.
        credentials: A `grpc.ChannelCredentials` for TLS.

    Raises:
        ValueError: If the memory is of another model, there is nothing to read from, or the
            retriever is over another number of passages.
        FileNotFoundError: If `export` is none.
        ImportError: If gRPC is asked for without the `serving` extra.

    Example:
        client = glimmer_keras.serving.Client("localhost:8500", "serving/glimmer", store, retriever)
        client.answer("who wrote the opera fidelio").text
    """

    def __init__(
        self,
        url: str,
        export: str | os.PathLike[str],
        store: MemoryStore | None = None,
        retriever: Retriever | None = None,
        *,
        corpus: Corpus | None = None,
        model: str | None = None,
        batch_size: int = 8,
        deadline: float = 30.0,
        retries: int = 4,
        credentials: Any = None,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("retries", retries, 0)):
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
        if deadline <= 0:
            raise ValueError(f"`deadline` must be positive. Received: deadline={deadline}")
        self._exported = exported = Exported(export)
        self.signature, self._passages = _source(exported, store, corpus)
        if retriever is not None and len(retriever) != len(self._passages):
            raise ValueError(
                f"`retriever` must be over the {len(self._passages)} passages there are. "
                f"Received: one over {len(retriever)}"
            )
        self.num_passages: int = exported.description["num_passages"]
        self.batch_size = batch_size
        self._retriever = retriever
        name = model or exported.name
        self._transport: Transport
        if url.startswith(("http://", "https://")):
            self._transport = RestTransport(url, name, exported.version, deadline, retries)
        elif "://" not in url and ":" in url:
            self._transport = GrpcTransport(
                url, name, exported.version, deadline, retries, credentials
            )
        else:
            raise ValueError(
                f"`url` must be host:port, or begin with http:// or https://. Received: url={url!r}"
            )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    @overload
    def answer(self, question: str, passage_ids: Ids | None = None) -> Answer: ...
    @overload
    def answer(
        self, question: list[str] | tuple[str, ...], passage_ids: Sequence[Ids] | None = None
    ) -> list[Answer]: ...
    def answer(
        self, question: str | list[str] | tuple[str, ...], passage_ids: Any = None
    ) -> Answer | list[Answer]:
        """Answer a question, or several.

        Args:
            question: One, or a list of them.
            passage_ids: Ids of the passages to read from, at most `num_passages`, in place of
                the retriever's; for several questions a sequence for each.

        Raises:
            ValueError: If a question is blank, an id is unknown, there are too many, there are
                neither ids nor a retriever, or the server refuses the request.
            TimeoutError: If there is no answer before the deadline.
            ConnectionError: If the server is not there, or has too much to do.
            RuntimeError: If the server fails.
        """
        if isinstance(question, str):
            return self._ask([question], None if passage_ids is None else [passage_ids])[0]
        if passage_ids is not None and len(passage_ids) != len(question):
            raise ValueError(
                "`passage_ids` must be a sequence of ids for each question. "
                f"Received: {len(passage_ids)} for {len(question)} questions"
            )
        answers: list[Answer] = []
        for start in range(0, len(question), self.batch_size):
            part = slice(start, start + self.batch_size)
            ids = None if passage_ids is None else passage_ids[part]
            answers += self._ask(list(question[part]), ids)
        return answers

    def _ask(self, questions: list[str], passage_ids: Sequence[Ids] | None) -> list[Answer]:
        described, spec = self._exported.description, self._exported.spec
        found, scores = find_passages(
            self._passages, self._retriever, questions, passage_ids, self.num_passages
        )
        ids = [[p.id for p in row] + [None] * (self.num_passages - len(row)) for row in found]
        length = described["question_length"]
        tokens, lengths, cut = pad_tokens(spec.tokenize(questions), length, None, spec.pad_id)
        report_truncated(cut, len(questions), "questions", length)
        inputs = {
            "question_token_ids": tokens,
            "question_padding_mask": padding_mask(lengths, length),
            **self._passages.inputs(ids, [described["passage_length"]]),
        }
        wanted = described["signatures"][self.signature]["inputs"]
        dtypes = {name: tf.as_dtype(wanted[name]["dtype"]).as_numpy_dtype for name in inputs}
        outputs = self._transport.predict(
            self.signature, {name: inputs[name].astype(dtypes[name]) for name in inputs}
        )
        texts = self._texts(outputs["answer_token_ids"], outputs["answer_lengths"])
        relevance, selected = outputs.get("passage_scores"), outputs.get("selected_passages")
        return [
            Answer(
                question,
                texts[number],
                rank_passages(
                    found[number],
                    None if relevance is None else relevance[number],
                    None if selected is None else selected[number],
                    None if scores is None else scores[number],
                ),
            )
            for number, question in enumerate(questions)
        ]

    def _texts(self, token_ids: np.ndarray, lengths: np.ndarray) -> list[str]:
        special = set(self._exported.description["special_ids"])
        rows = [
            [token for token in row[:length].tolist() if token not in special]
            for row, length in zip(token_ids, lengths, strict=True)
        ]
        ragged = tf.ragged.constant(rows, dtype="int32", ragged_rank=1)
        return [str(text) for text in self._exported.tokenizer.detokenize(ragged)]


def _source(
    exported: Exported, store: MemoryStore | None, corpus: Corpus | None
) -> tuple[str, PassageSource]:
    """The signature to call, and where its passages are from."""
    described = exported.description
    if store is not None and corpus is not None:
        raise ValueError("At most one of `store` and `corpus` must be given. Received: both")
    if store is not None:
        store.check_made_with(described["fingerprint"])
        return "answer_int8" if store.dtype == "int8" else "answer", StorePassages(store)
    if corpus is not None:
        passages = CorpusPassages(corpus, exported.spec, described["passage_length"])
        return "answer_from_tokens", passages
    if not described["table"]:
        raise ValueError(
            "`store` or `corpus` must be given to a model that was exported without a table. "
            "Received: neither"
        )
    return "answer_from_ids", TablePassages(exported.table())
