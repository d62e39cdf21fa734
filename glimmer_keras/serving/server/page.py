"""What the page asks: BM25 over the passages of the table, then the model."""

import json
import runpy
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .request_error import RequestError
from .served_model import ServedModel

SIGNATURE = "answer_from_ids"
MAX_CHARACTERS = 2000
RETRIEVER = Path(__file__).resolve().parents[2] / "retrieval/bm25_retriever.py"


class Passage(NamedTuple):
    """A line of `passages.jsonl`."""

    id: str
    title: str
    text: str


class Page:
    """Answers questions with all that the page shows.

    Args:
        model: Exported with a store.
        path: Its version.
    """

    def __init__(self, model: ServedModel, path: Path) -> None:
        import tensorflow_text

        assets = path / "assets.extra"
        description = json.loads((assets / "serving.json").read_text("utf-8"))
        if SIGNATURE not in model.signature_defs or not description["table"]:
            raise ValueError(
                f"`--page` must have a model that was exported with a store. Received: '{path}'"
            )
        table = assets / description["table"]["file"]
        with table.open(encoding="utf-8") as lines:
            self._passages = [Passage(**json.loads(line)) for line in lines]
        bm25 = runpy.run_path(str(RETRIEVER))["BM25Retriever"]  # a module that stands alone
        self._retriever = bm25.build(self._passages)
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(
            (assets / description["tokenizer"]).read_bytes()
        )
        self._model, self._description = model, description
        self.ask({"question": "What is built at the first request is built now?"})

    def ask(self, body: Any) -> dict[str, Any]:
        """From `{"question": ...}` to the answer, the passages as found, and milliseconds."""
        question = body.get("question") if isinstance(body, dict) else None
        if not isinstance(question, str) or not 0 < len(question.strip()) <= MAX_CHARACTERS:
            raise RequestError(
                "INVALID_ARGUMENT", f"`question` must have from 1 to {MAX_CHARACTERS} characters"
            )
        spec, clock = self._description, _Clock()
        rows, scores = self._retriever.search([question], spec["num_passages"])
        times = {"retrieve": clock()}
        length = spec["question_length"]
        tokens = self._tokenizer.tokenize([question]).to_list()[0][:length]
        ids = np.full((1, length), spec["pad_id"], "int32")
        ids[0, : len(tokens)] = tokens
        inputs = {
            "question_token_ids": ids,
            "question_padding_mask": np.arange(length)[None] < len(tokens),
            "passage_rows": rows.astype("int32"),
        }
        times["tokenize"] = clock()
        outputs = self._model.predict(SIGNATURE, inputs)
        times["read, rerank and answer"] = clock()
        said = outputs["answer_token_ids"][0, : outputs["answer_lengths"][0]].tolist()
        kept = [token for token in said if token not in spec["special_ids"]]
        answer = (
            self._tokenizer.detokenize(np.array(kept, "int32")).numpy().decode() if kept else ""
        )
        times["detokenize"] = clock()
        found = [column for column, row in enumerate(rows[0].tolist()) if row >= 0]
        relevance, selected = outputs.get("passage_scores"), outputs.get("selected_passages")
        read = set(found if selected is None else selected[0].tolist())
        return {
            "question": question,
            "answer": answer,
            "log_probability": float(outputs["log_probability"][0]),
            "milliseconds": times,
            "passages": [
                {
                    **self._passages[rows[0, column]]._asdict(),
                    "retrieval_score": float(scores[0, column]),
                    "score": None if relevance is None else float(relevance[0, column]),
                    "selected": column in read,
                }
                for column in found
            ],
        }


class _Clock:
    """Milliseconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return 1000 * (self._last - last)
