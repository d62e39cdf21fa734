import logging

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.utils.checks import check_integer

logger = logging.getLogger("glimmer_keras")


@keras.saving.register_keras_serializable(package="glimmer_keras")
class GlimmerPreprocessor(keras_hub.models.Preprocessor):
    """Turns questions, passages and answers into the fixed shapes that `Glimmer` takes.

    Passages and answers become `[tokens..., "</s>", padding...]`; questions have no end token,
    for the passage's ends the joined [question; passage], as in FiD. Truncation never drops an
    end token, and outside of `tf.data` the number of truncated texts is logged. An empty
    passage is a missing one: padding only. The decoder input is the answer moved one place to
    the right behind the start token, T5's being the padding token.

    Args:
        tokenizer: a `keras_hub.models.T5Tokenizer`.
        question_length: int. Tokens.
        passage_length: int. Tokens, the end token among them.
        answer_length: int. Tokens, the end token among them.
        num_passages: int or `None`. `k`: rows are cut or filled up with missing passages.
            `None` takes the number in the batch.
        start_token_id: int, with which the decoder starts, or `None` for the padding token, as in
            T5.

    Call arguments:
        x: dictionary of `"questions"`, strings `(batch,)`; `"passages"`, strings
            `(batch, passages)`; `"answers"`, strings `(batch,)`; and perhaps `"sample_weight"`,
            as below, which datasets without `y` have no other place for. A dictionary of model
            inputs, tokenised before, goes through as it is, with `y` and `sample_weight`.
        sample_weight: floats `(batch,)`, or `(batch, answer_length)`, which multiply the weights.

    Returns:
        `(x, y, sample_weight)` for `fit`: the inputs of `GlimmerBackbone`, the answer's token
        ids int32 `(batch, answer_length)`, and float32 weights, 1 on its tokens and 0 on padding.
    """

    backbone_cls = GlimmerBackbone
    tokenizer_cls = keras_hub.models.T5Tokenizer

    def __init__(
        self,
        tokenizer,
        question_length=48,
        passage_length=304,
        answer_length=32,
        num_passages=None,
        start_token_id=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        lengths = {
            "question_length": (question_length, 1),
            "passage_length": (passage_length, 2),
            "answer_length": (answer_length, 2),
            "num_passages": (1 if num_passages is None else num_passages, 1),
        }
        for name, (value, least) in lengths.items():
            check_integer(name, value, least)
        self.tokenizer = tokenizer
        self.question_length = question_length
        self.passage_length = passage_length
        self.answer_length = answer_length
        self.num_passages = num_passages
        self._start_token_id = start_token_id

    @property
    def start_token_id(self):
        """With which the decoder starts."""
        start = self._start_token_id
        return self.tokenizer.pad_token_id if start is None else start

    def build(self, input_shape=None):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if isinstance(x, dict) and "question_token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        self._check(x, ("questions", "passages", "answers"))
        if y is not None:
            raise ValueError('`y` must be left out: `x` has the `"answers"`. Received: `y`')
        if not tf.executing_eagerly():
            # `keras.utils.set_random_seed` drops the tokenizer's graph resource: make it anew.
            with tf.init_scope():
                self.tokenizer.set_proto(self.tokenizer.proto)
        self.check_answers(x["answers"])
        answers, answer_mask = self.pack(x["answers"], self.answer_length, "answers")
        start = tf.fill(tf.shape(answers[:, :1]), self.start_token_id)
        inputs = self._inputs(x)
        inputs["decoder_token_ids"] = tf.where(
            answer_mask, tf.concat([start, answers[:, :-1]], axis=1), self.tokenizer.pad_token_id
        )
        inputs["decoder_padding_mask"] = answer_mask
        weights = tf.cast(answer_mask, "float32")
        sample_weight = x.get("sample_weight", sample_weight)
        if sample_weight is not None:
            weights *= _by_answer(sample_weight, answers)
        return keras.utils.pack_x_y_sample_weight(*_to_numpy((inputs, answers, weights)))

    def generate_preprocess(self, x, sequence_length=None):
        """Model inputs with an empty answer, for generation.

        Args:
            x: dictionary of `"questions"` and `"passages"`, as strings; or of model inputs,
                whose `decoder_...` are left out or ignored.
            sequence_length: int. Longest answer in tokens, `answer_length` if `None`.
        """
        if isinstance(x, dict) and "question_token_ids" in x:
            inputs = {name: value for name, value in x.items() if not name.startswith("decoder_")}
        else:
            self._check(x, ("questions", "passages"))
            inputs = _to_numpy(self._inputs(x))
        # One place more than the answer: the first holds the start token.
        shape = (len(inputs["question_token_ids"]), (sequence_length or self.answer_length) + 1)
        inputs["decoder_token_ids"] = np.full(shape, self.tokenizer.pad_token_id, "int32")
        inputs["decoder_token_ids"][:, 0] = self.start_token_id
        inputs["decoder_padding_mask"] = np.broadcast_to(np.arange(shape[1]) == 0, shape)
        return inputs

    def generate_postprocess(self, x):
        """Answers as strings, beside the other outputs of `generate` as they are."""
        token_ids = keras.ops.convert_to_numpy(x["decoder_token_ids"])
        mask = np.array(keras.ops.convert_to_numpy(x["decoder_padding_mask"]), bool)
        mask[:, 0] &= token_ids[:, 0] != self.start_token_id
        special = set(self.tokenizer.special_token_ids)
        rows = [
            [int(token) for token, real in zip(*row, strict=True) if real and token not in special]
            for row in zip(token_ids, mask, strict=True)
        ]
        texts = self.tokenizer.detokenize(tf.ragged.constant(rows, dtype="int32", ragged_rank=1))
        texts = [str(text) for text in texts]
        rest = {name: value for name, value in x.items() if not name.startswith("decoder_")}
        return {"answers": texts, **rest}

    def check_answers(self, answers):
        """Raise a `ValueError` where an answer, of strings `(batch,)`, is empty."""
        lengths = tf.strings.length(tf.strings.strip(tf.convert_to_tensor(answers, "string")))
        error = '`"answers"` must not be empty.'
        if not tf.executing_eagerly():
            tf.debugging.assert_positive(lengths, error)
        elif empty := tf.where(lengths == 0)[:, 0].numpy().tolist():
            raise ValueError(f"{error} Received: empty answers at {empty}")

    def get_config(self):
        return {
            **super().get_config(),
            "question_length": self.question_length,
            "passage_length": self.passage_length,
            "answer_length": self.answer_length,
            "num_passages": self.num_passages,
            "start_token_id": self._start_token_id,
        }

    def _inputs(self, x):
        if tf.executing_eagerly():
            _check_rows(x)
        questions, question_mask = self.pack(x["questions"], self.question_length, "questions")
        passages = x["passages"]
        if isinstance(passages, (list, tuple)):
            if any(isinstance(row, str) for row in passages):
                raise ValueError(
                    '`"passages"` must be a list of strings for each question. '
                    f"Received: {passages!r}"
                )
            passages = _strings(passages, "passages", ragged=True)
        if isinstance(passages, tf.RaggedTensor):
            passages = passages.to_tensor("")
        passages = _strings(passages, "passages")
        if self.num_passages is not None:
            passages = passages[:, : self.num_passages]
            missing = self.num_passages - tf.shape(passages)[1]
            passages = tf.pad(passages, ((0, 0), (0, missing)), constant_values="")
            passages = tf.ensure_shape(passages, (None, self.num_passages))
        count = tf.shape(passages)[1] if passages.shape[1] is None else passages.shape[1]
        if passages.shape[1] == 0:
            raise ValueError('`"passages"` must hold at least one passage a question. Received: 0')
        flat = tf.reshape(passages, (-1,))
        token_ids, mask = self.pack(flat, self.passage_length, "passages")
        mask = tf.logical_and(mask, tf.strings.length(flat)[:, None] > 0)
        token_ids = tf.where(mask, token_ids, self.tokenizer.pad_token_id)
        shape = (-1, count, self.passage_length)
        return {
            "question_token_ids": questions,
            "question_padding_mask": question_mask,
            "passage_token_ids": tf.reshape(token_ids, shape),
            "passage_padding_mask": tf.reshape(mask, shape),
        }

    def pack(self, texts, length, name):
        """Token ids and mask `(texts, length)` of strings, `"questions"` without an end token."""
        tokens = self.tokenizer(_strings(texts, name))
        if isinstance(tokens, list):  # outside of `tf.data`
            tokens = tf.ragged.constant(tokens, dtype="int32", ragged_rank=1)
        room = length - (name != "questions")
        if tf.executing_eagerly():
            truncated = int(tf.reduce_sum(tf.cast(tokens.row_lengths() > room, "int32")))
            if truncated:
                total = int(tokens.nrows())
                logger.warning("%d of %d %s cut to %d tokens", truncated, total, name, length)
        tokens = tokens[:, :room]
        if name != "questions":
            end = tf.fill((tokens.nrows(), 1), self.tokenizer.end_token_id)
            tokens = tf.concat([tokens, end], axis=1)
        mask = tf.sequence_mask(tokens.row_lengths(), length)
        return tokens.to_tensor(self.tokenizer.pad_token_id, shape=(None, length)), mask

    def _check(self, x, names):
        if not isinstance(x, dict) or not set(names) <= set(x):
            received = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise ValueError(f"Expected a dictionary with {names}. Received: {received}")


def _check_rows(x):
    """Raise a `ValueError` unless there are as many passages and answers as questions."""
    texts = {name: x[name] for name in ("questions", "passages", "answers") if name in x}
    rows = {
        name: int(values.nrows()) if isinstance(values, tf.RaggedTensor) else len(values)
        for name, values in texts.items()
    }
    if len(set(rows.values())) > 1:
        raise ValueError(f"There must be passages and answers for each question. Received: {rows}")


def _strings(texts, name, ragged=False):
    try:
        if ragged:
            return tf.ragged.constant(texts, dtype="string", ragged_rank=1)
        return tf.convert_to_tensor(texts, dtype="string")
    except (TypeError, ValueError) as error:  # TensorFlow's words, or Python's
        what = "valid Unicode" if "unicode" in repr(error).lower() else "strings"
        raise ValueError(f'`"{name}"` must be {what}. Received: {error}') from error


def _by_answer(sample_weight, answers):
    """Weights `(batch, 1 or answer_length)`."""
    weights = tf.cast(tf.convert_to_tensor(sample_weight), "float32")
    if weights.shape.rank == 1:
        weights = weights[:, None]
    if weights.shape.rank != 2 or weights.shape[1] not in (1, answers.shape[1], None):
        raise ValueError(
            f"`sample_weight` must be of shape (batch,) or (batch, {answers.shape[1]}). "
            f"Received: {tuple(weights.shape)}"
        )
    return weights


def _to_numpy(structure):
    """Arrays that every backend takes; inside `tf.data` the tensors as they are."""
    if not tf.executing_eagerly():
        return structure
    return tf.nest.map_structure(lambda x: x.numpy(), structure)
