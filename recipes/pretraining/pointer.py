"""A pretrained BERT that points at answers in passages, to questions that nobody has answered."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import sentencepiece
from keras import ops

from recipes.pretraining.examples import Ids
from recipes.pretraining.words import wordpieces

LENGTH = 160  # of a question and a passage together, in BERT's tokens
QUESTION_LENGTH = 36
MOST_ANSWER = 24
CLS, SEP = "[CLS]", "[SEP]"
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Pointed:
    """Where in a passage an answer is, and how sure that is.

    Args:
        start, end: First token of the passage, and the one behind the last.
        told: Log-probability of these.
        untold: Log-probability that the passage does not tell.
    """

    start: int
    end: int
    told: float
    untold: float


@dataclass(frozen=True)
class Pair:
    """A question and a passage in BERT's tokens; of the passage's each first and last token."""

    ids: list[int]
    begin: int
    first: list[int]
    last: list[int]

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Where in `ids` tokens of the passage begin and end, the last included, if they do."""
        starts = [n for n, last in enumerate(self.last) if last >= start]
        ends = [n for n, first in enumerate(self.first) if first < end]
        if not starts or self.first[starts[0]] >= end or self.last[-1] < end - 1:
            return None
        return self.begin + starts[0], self.begin + ends[-1]


class Words:
    """Turns SentencePiece ids into those of a BERT.

    Args:
        bert: Folder of a BERT in Hugging Face's form.
        model: SentencePiece model of the ids.
    """

    def __init__(self, bert: Path, model: bytes) -> None:
        tokenizer = json.loads((bert / "tokenizer.json").read_text(encoding="utf-8"))
        self.numbers = tokenizer["model"]["vocab"]
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        ids = range(processor.vocab_size())
        self.pieces = ["".join(map(plain, processor.id_to_piece(i).lower())) for i in ids]
        self._known: dict[str, list[int]] = {}

    def pair(self, question: Ids, passage: Ids) -> Pair:
        """A question and a passage, cut to `LENGTH`."""
        asked = self._encoded(question)[0][:QUESTION_LENGTH]
        room = LENGTH - 3 - len(asked)
        told, first, last = (part[:room] for part in self._encoded(passage))
        begin, end = self.numbers[CLS], self.numbers[SEP]
        ids = [begin, *asked, end, *told, end]
        return Pair(ids, len(asked) + 2, first, last)

    def _encoded(self, tokens: Ids) -> tuple[list[int], list[int], list[int]]:
        pieces = [self.pieces[token] for token in tokens]
        owner = [number for number, piece in enumerate(pieces) for _ in piece]
        ids, first, last = [], [], []
        for word in WORD.finditer("".join(pieces).replace("▁", " ")):
            found = self._known.get(word.group())
            if found is None:
                found = self._known[word.group()] = wordpieces(f"▁{word.group()}", self.numbers)
            ids += found
            first += [owner[word.start()]] * len(found)
            last += [owner[word.end() - 1]] * len(found)
        return ids, first, last


def plain(character: str) -> str:
    """A character without its accent, as BERT's uncased vocabularies have it."""
    marks = [c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn"]
    return marks[0] if len(marks) == 1 else character


def new_pointer(bert: Path, dtype: str | None, dropout: float = 0.1) -> keras.Model:
    """A BERT with a head for both ends of an answer.

    Its inputs are what `inputs_of` gives; its outputs the logits `start` and `end`, float32
    `(batch, LENGTH)`, the first place of which stands for a passage that does not tell.
    """
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    backbone = keras_hub.models.BertBackbone.from_preset(str(bert), dtype=policy)
    backbone.get_layer("pooled_dense").trainable = False  # is not looked at
    inside = keras.Input((None,), dtype="bool", name="inside")
    states = backbone(backbone.input)["sequence_output"]
    states = keras.layers.Dropout(dropout, dtype=policy)(states)
    ends = keras.layers.Dense(2, dtype="float32", name="ends")(states)
    ends = ops.where(inside[:, :, None], ends, -1e9)
    outputs = {"start": ends[:, :, 0], "end": ends[:, :, 1]}
    return keras.Model({**backbone.input, "inside": inside}, outputs)


def inputs_of(pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
    """Inputs of a pointer, each `(pairs, LENGTH)`."""
    shape = len(pairs), LENGTH
    kinds = {"token_ids": "int32", "segment_ids": "int32", "padding_mask": "int32"}
    inputs = {name: np.zeros(shape, kind) for name, kind in (kinds | {"inside": "bool"}).items()}
    for row, pair in enumerate(pairs):
        length = len(pair.ids)
        inputs["token_ids"][row, :length] = pair.ids
        inputs["segment_ids"][row, pair.begin : length] = 1
        inputs["padding_mask"][row, :length] = 1
        inputs["inside"][row, pair.begin : pair.begin + len(pair.first)] = True
    inputs["inside"][:, 0] = True
    return inputs


def point(pointer: keras.Model, pairs: Sequence[Pair]) -> list[Pointed]:
    """The likeliest answer in each passage."""
    start, end = _ends(pointer, pairs)
    return [_best(pair, start[row], end[row]) for row, pair in enumerate(pairs)]


def log_likelihoods(
    pointer: keras.Model, pairs: Sequence[Pair], spans: Sequence[Sequence[tuple[int, int]]]
) -> np.ndarray:
    """How likely one of some spans is the answer: floats `(pairs,)`.

    Args:
        pointer: As `new_pointer` makes it, trained.
        pairs: Questions with passages.
        spans: For each pair first tokens of its passage, and those behind the last.
    """
    start, end = _ends(pointer, pairs)
    found = np.full(len(pairs), -np.inf)
    for row, (pair, places) in enumerate(zip(pairs, spans, strict=True)):
        for place in {inside for span in places if (inside := pair.place(*span))}:
            found[row] = np.logaddexp(found[row], start[row, place[0]] + end[row, place[1]])
    return found


def _ends(pointer: keras.Model, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of each place to be the first, or the last, of the answer."""
    outputs = pointer.predict_on_batch(inputs_of(pairs))
    return _log_softmax(outputs["start"]), _log_softmax(outputs["end"])


def _best(pair: Pair, start: np.ndarray, end: np.ndarray) -> Pointed:
    untold = float(start[0] + end[0])
    places = np.arange(len(pair.first))
    if not len(places):
        return Pointed(0, 0, -np.inf, untold)
    inside = slice(pair.begin, pair.begin + len(places))
    scores = start[inside, None] + end[None, inside]
    long = places[None] - places[:, None]
    scores = np.where((long >= 0) & (long < MOST_ANSWER), scores, -np.inf)
    first, last = np.unravel_index(scores.argmax(), scores.shape)
    return Pointed(pair.first[first], pair.last[last] + 1, float(scores[first, last]), untold)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype("float64") - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
