"""SentencePiece's Unigram vocabularies in the form of `tokenizer.json`, and back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from glimmer_keras.models import sentencepiece_proto as pb

BLANK = "▁"
END, PAD, UNKNOWN = "</s>", "<pad>", "<unk>"
SENTINEL = re.compile(r"<extra_id_\d+>")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
BLANKS = tokenizers.Regex(" {2,}")


def to_tokenizer_json(proto: bytes) -> str:
    """Write a T5's SentencePiece model as a `tokenizer.json`, which ends each text with `</s>`.

    Raises:
        ValueError: If it is no Unigram model.
    """
    model = pb.ModelProto.FromString(proto)
    spec, normal = model.trainer_spec, model.normalizer_spec
    if spec.model_type != pb.UNIGRAM:
        raise ValueError(f"`proto` must be a Unigram model. Received: model_type={spec.model_type}")
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    tokenizer = tokenizers.Tokenizer(models.Unigram(pieces, spec.unk_id, spec.byte_fallback))
    steps: list[Any] = []
    if normal.precompiled_charsmap:
        steps.append(normalizers.Precompiled(normal.precompiled_charsmap))
    if normal.remove_extra_whitespaces:
        steps += [normalizers.Strip(left=True, right=True), normalizers.Replace(BLANKS, BLANK)]
    tokenizer.normalizer = normalizers.Sequence(steps)
    scheme = "always" if normal.add_dummy_prefix else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(BLANK, scheme)
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(BLANK, scheme)]
        if spec.byte_fallback
        else [decoders.Metaspace(BLANK, scheme)]
    )
    marks = [piece.piece for piece in model.pieces if piece.type in (pb.CONTROL, pb.UNKNOWN)]
    tokenizer.add_special_tokens(marks)
    end = [number for number, (piece, _) in enumerate(pieces) if piece == END]
    if end:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=["$A", END], pair=["$A", END, "$B", END], special_tokens=[(END, end[0])]
        )
    return tokenizer.to_str(pretty=False)


def from_tokenizer_json(text: str) -> bytes:
    """Make a SentencePiece model of a `tokenizer.json`.

    T5's sentinels behind the vocabulary (`<extra_id_0>`) are left out, as in its own model.

    Raises:
        ValueError: If it is not of SentencePiece's Unigram.
    """
    content = json.loads(text)
    model = content.get("model") or {}
    # Of files before 2023 the type is not told.
    kind = model.get("type", "Unigram" if isinstance(model.get("vocab"), list) else None)
    if kind != "Unigram":
        raise ValueError(f"The model must be Unigram, SentencePiece's. Received: {kind}")
    pieces = list(model["vocab"])
    while pieces and SENTINEL.fullmatch(pieces[-1][0]):
        pieces.pop()
    names = [name for name, _ in pieces]
    special = {token["content"] for token in content.get("added_tokens", ()) if token["special"]}
    proto = pb.ModelProto()
    spec = proto.trainer_spec
    spec.model_type = pb.UNIGRAM
    spec.vocab_size = len(pieces)
    spec.byte_fallback = bool(model.get("byte_fallback", False))
    spec.unk_id, spec.bos_id = model["unk_id"], -1
    spec.eos_id, spec.pad_id = (names.index(n) if n in names else -1 for n in (END, PAD))
    spec.unk_piece, spec.eos_piece, spec.pad_piece = names[spec.unk_id], END, PAD
    for number, (name, score) in enumerate(pieces):
        kind = pb.NORMAL
        if number == spec.unk_id:
            kind = pb.UNKNOWN
        elif name in special:
            kind = pb.CONTROL
        elif spec.byte_fallback and BYTE.fullmatch(name):
            kind = pb.BYTE
        proto.pieces.add(piece=name, score=score, type=kind)
    steps = list(_steps(content.get("normalizer")))
    normal = proto.normalizer_spec
    for step in steps:
        if step["type"] == "Precompiled":
            normal.precompiled_charsmap = base64.b64decode(step["precompiled_charsmap"])
    blanks = ("Replace", "Strip")
    normal.remove_extra_whitespaces = any(step["type"] in blanks for step in steps)
    splits = [s for s in _steps(content.get("pre_tokenizer")) if s["type"] == "Metaspace"]
    normal.add_dummy_prefix = any(
        step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space", True)
        for step in splits
    )
    normal.escape_whitespaces = True
    return proto.SerializeToString()


def _steps(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The parts of a normaliser or a pre-tokeniser."""
    if step is None:
        return
    for name in ("normalizers", "pretokenizers"):
        if name in step:
            for part in step[name]:
                yield from _steps(part)
            return
    yield step
