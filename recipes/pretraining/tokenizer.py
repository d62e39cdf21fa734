"""A SentencePiece vocabulary in T5's form."""

import io
from collections.abc import Iterable
from typing import Any

import keras_hub
import sentencepiece


def train_tokenizer(
    lines: Iterable[str], vocabulary_size: int, symbols: Iterable[str] = (), **options: Any
) -> keras_hub.models.T5Tokenizer:
    """A tokenizer of at most `vocabulary_size` pieces, learned from `lines`.

    Args:
        lines: What to learn from.
        vocabulary_size: Pieces in all, T5's `<pad>`, `</s>` and `<unk>` and `symbols` among them.
        symbols: Words that stay whole, beside KILT's `[SEP]`.
        **options: Of SentencePiece's trainer.

    Raises:
        ValueError: If SentencePiece cannot make that many, or so few, of the texts.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            user_defined_symbols=["[SEP]", *symbols],
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            pad_piece="<pad>",
            eos_piece="</s>",
            unk_piece="<unk>",
            minloglevel=2,
            **options,
        )
    except RuntimeError as error:
        raise ValueError(
            f"`--vocabulary-size` does not do for these texts: {error}. Received: {vocabulary_size}"
        ) from error
    return keras_hub.models.T5Tokenizer(model.getvalue())
