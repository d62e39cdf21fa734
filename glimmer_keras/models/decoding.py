import keras_hub
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
    prompt = inputs["decoder_token_ids"]
    prompt_mask = ops.cast(inputs["decoder_padding_mask"], "bool")
    rows, length = ops.shape(prompt)
    token_ids = (sampler or glimmer.sampler)(
        next=_next(glimmer, memory, length),
        prompt=prompt,
        cache=decoder.initial_cache(rows, length),
        index=1,
        mask=prompt_mask,
        stop_token_ids=stop_token_ids,
        model=glimmer,
    )
    return _answer(token_ids, prompt_mask, stop_token_ids, outputs)


def _next(glimmer, memory, length):
    """What a sampler asks for logits, states and cache of the next token."""
    backbone, decoder = glimmer.backbone, glimmer.backbone.decoder
    bias = decoder.step_bias(length)

    def next(prompt, cache, index):
        token = ops.slice(prompt, (0, index - 1), (ops.shape(prompt)[0], 1))  # (rows, 1)
        states, cache = decoder.decode_step(
            backbone.token_embedding(token), index - 1, cache, *memory, bias
        )
        return glimmer.logits(states)[:, 0], states[:, 0], cache  # (rows, vocabulary), (rows, dim)

    return next


def _answer(token_ids, prompt_mask, stop_token_ids, outputs):
    mask = answer_mask(token_ids, prompt_mask, stop_token_ids)
    answer = {"decoder_token_ids": token_ids, "decoder_padding_mask": mask}
    scores = ("passage_scores", "selected_passages")
    return answer | {name: outputs[name] for name in scores if name in outputs}


def scored_answer_from(glimmer, inputs, outputs, stop_token_ids=None):
    """Answer as `answer_from`, and tell how likely the answers are.

    The greedy sampler's probabilities are summed up on the way; after others all tokens go through
    the decoder once more.

    Returns:
        What `answer_from` gives, `answer_lengths`, int32 `(batch,)`, tokens with the stop token,
        and `log_probability`, float32 `(batch,)`, that of all of them.
    """
    backbone = glimmer.backbone
    memory = backbone.decoder.project_memory(**backbone.decoder_memory(inputs, outputs))
    if type(glimmer.sampler) is keras_hub.samplers.GreedySampler:
        prompt, prompt_mask = inputs["decoder_token_ids"], inputs["decoder_padding_mask"]
        prompt_mask = ops.cast(prompt_mask, "bool")
        tokens, told = _greedy(glimmer, prompt, prompt_mask, memory, stop_token_ids)
        answer = _answer(tokens, prompt_mask, stop_token_ids, outputs)
    else:
        answer = answer_from(glimmer, inputs, outputs, stop_token_ids, memory)
        tokens, mask = answer["decoder_token_ids"], answer["decoder_padding_mask"]
        told = log_probability(glimmer, tokens, mask, memory)
    lengths = ops.sum(ops.cast(answer["decoder_padding_mask"][:, 1:], "int32"), axis=1)
    return {**answer, "answer_lengths": lengths, "log_probability": told}


def _greedy(glimmer, prompt, mask, memory, stop_token_ids):
    """The loop of KerasHub's greedy sampler, with the log-probability of tokens `(batch,)`."""
    sampler = glimmer.sampler
    rows, length = ops.shape(prompt)
    next = _next(glimmer, memory, length)

    def running(prompt):
        stopped = ops.zeros((rows,), "bool")
        for stop in stop_token_ids or ():
            new = ops.logical_and(prompt == stop, ops.logical_not(mask))
            stopped = ops.logical_or(stopped, ops.any(new, axis=1))
        return ops.logical_not(stopped)

    def body(prompt, cache, index, told):
        logits, _, cache = next(prompt, cache, index)
        probabilities = sampler.compute_probabilities(logits)
        token = ops.cast(sampler.get_next_token(probabilities), prompt.dtype)
        counts = ops.logical_and(running(prompt), ops.logical_not(mask[:, index]))
        best = ops.log(ops.maximum(ops.max(probabilities, axis=-1), 1e-30))
        told = told + ops.where(counts, best, 0.0)
        token = ops.where(mask[:, index], prompt[:, index], token)
        prompt = ops.slice_update(prompt, [0, index], token[:, None])
        return prompt, cache, index + 1, told

    start = prompt, glimmer.backbone.decoder.initial_cache(rows, length)
    prompt, _, _, told = sampler.run_loop(
        lambda prompt, cache, index, told: ops.any(running(prompt)),
        body,
        loop_vars=(*start, ops.cast(1, "int32"), ops.zeros((rows,), "float32")),
        maximum_iterations=ops.cast(length, "int32") - 1,
        model=glimmer,
    )
    return prompt, told


def log_probability(glimmer, token_ids, mask, memory):
    """The log-probability of answers behind their start tokens, float32 `(batch,)`.

    Args:
        token_ids: int `(batch, length)`, as `answer_from` gives them.
        mask: bool `(batch, length)`.
        memory: what `FiDDecoder.project_memory` gave.
    """
    backbone = glimmer.backbone
    embeddings = backbone.token_embedding(token_ids[:, :-1])
    states = backbone.decoder.decode(embeddings, mask[:, :-1], *memory)
    return answer_log_prob(glimmer.logits(states), token_ids[:, 1:], mask[:, 1:], "sum")
