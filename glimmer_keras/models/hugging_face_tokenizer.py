import os
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf
import tokenizers

FILE = "tokenizer.json"


@keras.saving.register_keras_serializable(package="glimmer_keras")
class HuggingFaceTokenizer(keras_hub.tokenizers.Tokenizer):
    """The tokens that a `tokenizer.json` of Hugging Face's makes of a text, by `tokenizers`.

    Marks such as `"[SEP]"` that stand in a text are text.

    Args:
        proto: content of a `tokenizer.json`, a string; `None` in a preset, which has it beside.
        pad_token_id: int.

    Raises:
        ValueError: if `proto` is no tokenizer.
    """

    def __init__(self, proto=None, pad_token_id=0, **kwargs):
        super().__init__(**kwargs)
        self.file_assets = [FILE]
        self.pad_token_id = pad_token_id
        self.proto: str = ""
        self._tokenizer: Any = None
        if proto is not None:
            self._set(proto)

    def encode(self, texts, length):
        """Tokens of each of a list of strings, marks among them, at most `length`."""
        self._tokenizer.enable_truncation(length)
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]

    def tokenize(self, inputs):
        """Tokens of one string, or lists of those of several; without marks."""
        single = isinstance(inputs, str)
        self._tokenizer.no_truncation()
        texts = [inputs] if single else list(inputs)
        ids = [e.ids for e in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        return ids[0] if single else ids

    def vocabulary_size(self):
        return self._tokenizer.get_vocab_size()

    def get_vocabulary(self):
        return self._tokenizer.get_vocab()

    def id_to_token(self, id):
        return self._tokenizer.id_to_token(id)

    def token_to_id(self, token):
        return self._tokenizer.token_to_id(token)

    def save_assets(self, dir_path):
        Path(dir_path, FILE).write_text(self.proto, encoding="utf-8")

    def load_assets(self, dir_path):
        self._set(Path(dir_path, FILE).read_text(encoding="utf-8"))

    def get_config(self):
        return {**super().get_config(), "pad_token_id": self.pad_token_id}

    def _set(self, proto):
        try:
            tokenizer = tokenizers.Tokenizer.from_str(proto)
        except Exception as error:  # tokenizers raises no kind of its own
            raise ValueError(f"`proto` must be a {FILE}: {error}") from error
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self.proto, self._tokenizer = proto, tokenizer


@keras.saving.register_keras_serializable(package="glimmer_keras")
class HuggingFaceTextPreprocessor(keras_hub.models.Preprocessor):
    """Makes `token_ids` and `padding_mask`, int32 and bool `(batch, sequence_length)`, of texts.

    Args:
        tokenizer: a `HuggingFaceTokenizer`.
        sequence_length: int, tokens of a text, marks among them; longer ones are cut.
        lowercase: bool. Whether texts are put in small letters before, whatever the tokenizer does.
    """

    tokenizer_cls = HuggingFaceTokenizer

    def __init__(self, tokenizer, sequence_length=512, lowercase=False, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.lowercase = lowercase

    def build(self, input_shape=None):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if tf.is_tensor(x) and not tf.executing_eagerly():
            ids, mask = tf.numpy_function(self._encode, [x], (tf.int32, tf.bool))
            for tensor in (ids, mask):
                tensor.set_shape((*x.shape, self.sequence_length))
        else:
            ids, mask = self._encode(x)
        inputs = {"token_ids": ids, "padding_mask": mask}
        return keras.utils.pack_x_y_sample_weight(inputs, y, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "lowercase": self.lowercase,
        }

    def _encode(self, x):
        texts = np.asarray(x, dtype=object)
        rows = [t.decode() if isinstance(t, bytes) else str(t) for t in texts.reshape(-1)]
        rows = [(row.lower() if self.lowercase else row).strip() for row in rows]
        ids = np.full((len(rows), self.sequence_length), self.tokenizer.pad_token_id, "int32")
        mask = np.zeros(ids.shape, bool)
        for number, tokens in enumerate(self.tokenizer.encode(rows, self.sequence_length)):
            ids[number, : len(tokens)] = tokens
            mask[number, : len(tokens)] = True
        shape = (*texts.shape, self.sequence_length)
        return ids.reshape(shape), mask.reshape(shape)


def read_tokenizer(path: str | os.PathLike[str], pad_token_id: int) -> HuggingFaceTokenizer:
    """Read a `tokenizer.json`.

    Raises:
        ValueError: If it is none.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        return HuggingFaceTokenizer(text, pad_token_id)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
