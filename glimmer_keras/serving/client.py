import os
from typing import Any

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.retrieval import Retriever
from glimmer_keras.serving.exported import Exported
from glimmer_keras.serving.exported_reader import ExportedReader
from glimmer_keras.serving.grpc_transport import GrpcTransport
from glimmer_keras.serving.rest_transport import RestTransport
from glimmer_keras.utils.checks import check_integer


class Client(ExportedReader):
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
        min_confidence: Answers with less are left empty.
        deadline: Seconds for a request, its retries among them.
        retries: Tries after the first, if the server is not there or has too much to do.
        credentials: A `grpc.ChannelCredentials` for TLS.

    Raises:
        ValueError: If the memory is of another model, there is nothing to read from, or the
            retriever is over another number of passages; when it is asked, if the server refuses
            the request.
        FileNotFoundError: If `export` is none.
        ImportError: If gRPC is asked for without the `serving` extra.
        TimeoutError: When it is asked, if there is no answer before the deadline.
        ConnectionError: When it is asked, if the server is not there, or has too much to do.
        RuntimeError: When it is asked, if the server fails.

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
        min_confidence: float = 0.0,
        deadline: float = 30.0,
        retries: int = 4,
        credentials: Any = None,
    ) -> None:
        check_integer("retries", retries, 0)
        if deadline <= 0:
            raise ValueError(f"`deadline` must be positive. Received: deadline={deadline}")
        exported = Exported(export)
        super().__init__(
            exported,
            lambda signature, inputs: self._transport.predict(signature, inputs),
            store,
            retriever,
            corpus=corpus,
            batch_size=batch_size,
            min_confidence=min_confidence,
        )
        name = model or exported.name
        self._transport: GrpcTransport | RestTransport
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
