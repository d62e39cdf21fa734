from keras import ops

from glimmer_keras.losses import answer_log_prob
from glimmer_keras.models.inputs import answer_mask


def answer_from(glimmer, inputs, outputs, stop_token_ids=None, memory=None, sampler=None):
    """Answer a batch that has been read.

    Args:
        inputs: dictionary of model inputs, the decoder's being start tokens and padding.
        outputs: dictionary of what `GlimmerBackbone.read` gave for them.
        stop_token_ids: sequence of ints, or `None`.
        memory: what `FiDDecoder.project_memory` gave for them, or `None` to project it here.
        sampler: a KerasHub sampler, or `None` for the one that the model was compiled with.

    Returns:
        A dictionary of `decoder_token_ids`, int `(batch, target_length)`,
        `decoder_padding_mask`, bool of that shape, and with a scorer `passage_scores` and
        `selected_passages`.
    """
    backbone, decoder = glimmer.backbone, glimmer.backbone.decoder
    if memory is None:
        memory = decoder.project_memory(**backbone.decoder_memory(inputs, outputs))
    memory, memory_mask = memory
    prompt = inputs["decoder_token_ids"]
    prompt_mask = ops.cast(inputs["decoder_padding_mask"], "bool")
    rows, length = ops.shape(prompt)
    bias = decoder.step_bias(length)

    def next(prompt, cache, index):
        token = ops.slice(prompt, (0, index - 1), (ops.shape(prompt)[0], 1))  # (rows, 1)
        states, cache = decoder.decode_step(
            backbone.target_embedding(token), index - 1, cache, memory, memory_mask, bias
        )
        return glimmer.logits(states)[:, 0], states[:, 0], cache  # (rows, vocabulary), (rows, dim)

    token_ids = (sampler or glimmer.sampler)(
        next=next,
        prompt=prompt,
        cache=decoder.initial_cache(rows, length),
        index=1,
        mask=prompt_mask,
        stop_token_ids=stop_token_ids,
        model=glimmer,
    )
    answer = {
        "decoder_token_ids": token_ids,
        "decoder_padding_mask": answer_mask(token_ids, prompt_mask, stop_token_ids),
    }
    for name in ("passage_scores", "selected_passages"):
        if name in outputs:
            answer[name] = outputs[name]
    return answer


def scored_answer_from(glimmer, inputs, outputs, stop_token_ids=None):
    """Answer as `answer_from`, and tell how likely the answers are.

    Returns:
        What `answer_from` gives, `answer_lengths`, int32 `(batch,)`, tokens with the stop token,
        and `log_probability`, float32 `(batch,)`, that of all of them.
    """
    backbone = glimmer.backbone
    memory = backbone.decoder.project_memory(**backbone.decoder_memory(inputs, outputs))
    answer = answer_from(glimmer, inputs, outputs, stop_token_ids, memory)
    token_ids, mask = answer["decoder_token_ids"], answer["decoder_padding_mask"]
    return {
        **answer,
        "answer_lengths": ops.sum(ops.cast(mask[:, 1:], "int32"), axis=1),
        "log_probability": log_probability(glimmer, token_ids, mask, memory),
    }


def log_probability(glimmer, token_ids, mask, memory):
    """The log-probability of answers behind their start tokens, float32 `(batch,)`.

    Args:
        token_ids: int `(batch, length)`, as `answer_from` gives them.
        mask: bool `(batch, length)`.
        memory: what `FiDDecoder.project_memory` gave.
    """
    backbone = glimmer.backbone
    embeddings = backbone.target_embedding(token_ids[:, :-1])
    states = backbone.decoder.decode(embeddings, mask[:, :-1], *memory)
    return answer_log_prob(glimmer.logits(states), token_ids[:, 1:], mask[:, 1:], "sum")
