"""A BERT's uncased vocabulary as a SentencePiece model, which cuts text as BERT does."""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tokenizers

from glimmer_keras.models import sentencepiece_proto as pb
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.pretraining.words import SUFFIX

BLANK = "▁"
HIGHEST = 0x2FFFF
# Uses of marks: no blank after, none before, none around them.
OPENING, CLOSING, JOINING = "([{$£€#", ")]}.,;:!?%", "-/'’_@&"
LONE_BLANK = -20.0
PIECE, LETTER = -10.0, 1e-3  # longer pieces win over as many shorter ones


def bert_vocabulary(
    folder: Path, lines: Iterable[str], vocabulary_size: int, symbols: Sequence[str]
) -> bytes:
    """Make a SentencePiece model of the words of a BERT that a text has.

    A piece that begins a word has a blank before it, as SentencePiece writes it; marks and Chinese
    characters are words, capitals and accents go, as BERT's normalisation does it. Decoding takes
    most blanks round marks away again.

    Args:
        folder: A BERT in Hugging Face's form, uncased.
        lines: Text; its commonest words are taken.
        vocabulary_size: Pieces in all, at most; bytes and `symbols` are among them.
        symbols: Words that stay whole, beside KILT's `[SEP]`.
    """
    wordpiece = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    wordpiece.no_truncation()
    wordpiece.no_padding()
    counts: Counter[int] = Counter()
    for part in _parts(lines):
        for found in wordpiece.encode_batch(part, add_special_tokens=False):
            counts.update(found.ids)
    with tempfile.TemporaryDirectory() as work:
        rules = Path(work) / "rules.tsv"
        rules.write_text(_table(_normalisation()), encoding="utf-8")
        back = Path(work) / "back.tsv"
        back.write_text(_table(_denormalisation()), encoding="utf-8")
        shell = train_tokenizer(
            ["a b c d e f g h i j k l m n o p q r s t u v w x y z"] * 4,
            400,
            symbols=symbols,
            byte_fallback=True,
            normalization_rule_tsv=str(rules),
            denormalization_rule_tsv=str(back),
        ).proto
    model = pb.ModelProto.FromString(shell)
    special = [piece for piece in model.pieces if piece.type != pb.NORMAL]
    room = vocabulary_size - len(special) - 1
    taken = {piece.piece for piece in special}
    words = [
        f"{BLANK}{word}" if not word.startswith(SUFFIX) else word.removeprefix(SUFFIX)
        for number, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if not (word := wordpiece.id_to_token(number)).startswith("[") or len(word) == 1
    ]
    kept = [word for word in words if word not in taken][:room]
    del model.pieces[:]
    model.pieces.extend(special)
    model.pieces.add(piece=BLANK, score=LONE_BLANK)
    for word in kept:
        length = len(word) + (len(word) / 2 if word.startswith(BLANK) else 0)
        model.pieces.add(piece=word, score=PIECE + LETTER * length * len(word))
    model.trainer_spec.vocab_size = len(model.pieces)
    for spec in (model.normalizer_spec, model.denormalizer_spec):
        spec.ClearField("normalization_rule_tsv")  # a path
    return model.SerializeToString()


def _parts(lines: Iterable[str], size: int = 1000) -> Iterator[list[str]]:
    part: list[str] = []
    for line in lines:
        part.append(line)
        if len(part) == size:
            yield part
            part = []
    yield part


def _normalisation() -> Iterator[tuple[str, str]]:
    """Each character that BERT's uncased normalisation changes, and what becomes of it."""
    for code in range(1, HIGHEST + 1):
        if 0xD800 <= code < 0xE000:
            continue
        character = chr(code)
        kind = unicodedata.category(character)
        if character.isspace() or kind == "Zs":
            made = " "
        elif kind in ("Cc", "Cf", "Mn", "Cn", "Co"):
            made = ""
        else:
            parts = unicodedata.normalize("NFD", character.lower())
            made = "".join(c for c in parts if unicodedata.category(c) != "Mn")
            if kind.startswith("P") or _is_mark(character) or _is_chinese(code):
                made = f" {made} "
        if made != character and not (kind in ("Cn", "Co") and code > 0x2FFF):
            yield character, made


def _is_mark(character: str) -> bool:
    return character.isascii() and not character.isalnum() and character.isprintable()


def _is_chinese(code: int) -> bool:
    blocks = (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xF900, 0xFAFF)
    return any(first <= code <= last for first, last in blocks)


def _denormalisation() -> Iterator[tuple[str, str]]:
    for mark in OPENING:
        yield f"{mark} ", mark
    for mark in CLOSING:
        yield f" {mark}", mark
    for mark in JOINING:
        yield f" {mark} ", mark
    for first in "0123456789":
        for last in "0123456789":
            for mark in ".,:":
                yield f"{first} {mark} {last}", f"{first}{mark}{last}"


def _table(rules: Iterable[tuple[str, str]]) -> str:
    def codes(text: str) -> str:
        return " ".join(f"{ord(character):X}" for character in text)

    return "".join(f"{codes(old)}\t{codes(new)}\n" for old, new in rules)
