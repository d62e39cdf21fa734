import time
from pathlib import Path
from typing import Any

from glimmer_keras.retrieval import BM25Retriever
from glimmer_keras.serving.exported import Exported
from glimmer_keras.serving.exported_reader import ExportedReader
from glimmer_keras.serving.request_error import RequestError
from glimmer_keras.serving.server.served_model import ServedModel

MAX_CHARACTERS = 2000
HTML = Path(__file__).resolve().with_name("page.html")


class Page:
    """Answers the page's questions, by BM25 over the passages of the table and then the model.

    Args:
        model: Exported with a store.
        path: Its version.

    Raises:
        ValueError: If there is no table in the model.
    """

    def __init__(self, model: ServedModel, path: Path) -> None:
        exported = Exported(path)
        if not exported.description["table"]:
            raise ValueError(
                f"`--page` must have a model that was exported with a store. Received: '{path}'"
            )
        retriever = BM25Retriever.build(exported.table())
        self._reader = ExportedReader(exported, model.predict, retriever=retriever)
        self.html = HTML.read_bytes()
        self.ask({"question": "What is built at the first request is built now?"})

    def ask(self, body: Any) -> dict[str, Any]:
        """Answer `{"question": ...}` with the answer, its passages, and milliseconds.

        Raises:
            RequestError: If there is no question of at most `MAX_CHARACTERS`.
        """
        question = body.get("question") if isinstance(body, dict) else None
        if not isinstance(question, str) or not 0 < len(question.strip()) <= MAX_CHARACTERS:
            raise RequestError(
                "INVALID_ARGUMENT", f"`question` must have from 1 to {MAX_CHARACTERS} characters"
            )
        reader, clock = self._reader, _Clock()
        asked = reader.find([question])
        times = {"retrieve": clock()}
        inputs = reader.inputs(asked)
        times["tokenize"] = clock()
        outputs = reader.run(inputs)
        times["read, rerank and answer"] = clock()
        [answer] = reader.answers(asked, outputs)
        times["detokenize"] = clock()
        return {
            "question": question,
            "answer": answer.text,
            "confidence": answer.confidence,
            "log_probability": float(outputs["log_probability"][0]),
            "milliseconds": times,
            "passages": answer.to_dict()["passages"],
        }


class _Clock:
    """Gives the milliseconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return 1000 * (self._last - last)
