from collections.abc import Mapping

import tensorflow as tf

from glimmer_keras.models import GlimmerPreprocessor
from glimmer_keras.serving.signatures import Signature, Tensors


def text_signatures(
    preprocessor: GlimmerPreprocessor, signatures: Mapping[str, Signature]
) -> dict[str, Signature]:
    """Make the same with strings in and out, by ops of tensorflow-text.

    `tokens` in a name becomes `text`.
    """
    return {
        name.replace("tokens", "text"): _with_text(preprocessor, signature)
        for name, signature in signatures.items()
    }


def _with_text(preprocessor: GlimmerPreprocessor, signature: Signature) -> Signature:
    tokenizer, inputs = preprocessor.tokenizer, dict(signature.inputs)
    strings = {}
    if "question_token_ids" in inputs:
        question_length = inputs.pop("question_token_ids").shape[-1]
        del inputs["question_padding_mask"]
        strings["questions"] = tf.TensorSpec((None,), "string", "questions")
    if "passage_token_ids" in inputs:
        shape = inputs.pop("passage_token_ids").shape[:-1]
        del inputs["passage_padding_mask"]
        strings["passages"] = tf.TensorSpec(shape, "string", "passages")

    def run(received: Tensors) -> Tensors:
        tensors = {name: value for name, value in received.items() if name not in strings}
        if "questions" in strings:
            ids, mask = preprocessor.pack(received["questions"], question_length, "questions")
            tensors |= {"question_token_ids": ids, "question_padding_mask": mask}
        if "passages" in strings:
            texts, length = received["passages"], preprocessor.passage_length
            flat = tf.reshape(texts, (-1,))
            ids, mask = preprocessor.pack(flat, length, "passages")
            mask &= tf.strings.length(flat)[:, None] > 0  # an empty one is missing
            shape = (-1, *texts.shape[1:], length)
            tensors |= {
                "passage_token_ids": tf.reshape(tf.where(mask, ids, 0), shape),
                "passage_padding_mask": tf.reshape(mask, shape),
            }
        outputs = signature.run(tensors)
        if "answer_token_ids" in outputs:
            ids = outputs["answer_token_ids"]
            special = tf.constant(sorted(set(tokenizer.special_token_ids)))
            kept = tf.ragged.boolean_mask(ids, tf.reduce_all(ids[..., None] != special, axis=-1))
            outputs = outputs | {"answers": tokenizer.detokenize(kept)}
        elif "passage_memory" in outputs:
            outputs = outputs | {"passage_padding_mask": tensors["passage_padding_mask"]}
        return outputs

    return Signature(strings | inputs, run)
