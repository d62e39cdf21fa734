from keras import ops

from glimmer_keras.layers.top_m_select import gather_passages
from glimmer_keras.losses import answer_log_prob, perplexity_distillation
from glimmer_keras.losses.perplexity_distillation import DIRECTIONS, REDUCTIONS
from glimmer_keras.models.inputs import TAUGHT, prior_of


def check_distillation(weight, temperature, direction, reduction):
    """Raise a `ValueError` unless these are settings of distillation, as `compile` takes them."""
    if weight < 0:
        raise ValueError(
            f"`distillation_weight` must be 0 or more. Received: distillation_weight={weight}"
        )
    if not temperature > 0:
        raise ValueError(
            "`distillation_temperature` must be over 0. "
            f"Received: distillation_temperature={temperature}"
        )
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"`answer_reduction` must be one of {REDUCTIONS}. "
            f"Received: answer_reduction={reduction!r}"
        )
    if direction not in DIRECTIONS:
        raise ValueError(
            f"`distillation_direction` must be one of {DIRECTIONS}. "
            f"Received: distillation_direction={direction!r}"
        )


def distil(glimmer, inputs, outputs, labels, weights, training):
    """Compare the ranking of passages with what each of them alone tells the reader.

    With a prior of the first stage the teacher is the posterior: likelihood times prior. With
    `teacher_log_probs` among the inputs, likelihoods that were kept, no passage is read alone.

    A row without passages, or without an answer (all its weights are 0), has nothing to compare:
    its loss is 0, and whether its selection is right is not known. A row weighs as much as the
    heaviest token of its answer.

    Args:
        glimmer: the `Glimmer` that is being trained, compiled.
        inputs: dictionary of model inputs.
        outputs: dictionary of `GlimmerBackbone` outputs for them.
        labels: int tensor `(batch, target_length)`.
        weights: float tensor `(batch, target_length)`, 0 on padding.
        training: bool.

    Returns:
        The mean of weighted `perplexity_distillation`, a float32 scalar; and float32 `(batch,)`: 1
        where the teacher's best passage is among those selected, and 1 where that is known.
    """
    ranking = outputs["passage_ranking"]
    row_weights = ops.max(ops.cast(weights, "float32"), axis=-1)  # (batch,)
    weights = ops.cast(weights > 0, "float32")
    if TAUGHT in inputs:
        log_probs = gather_passages(ops.cast(inputs[TAUGHT], "float32"), ranking)
    else:
        log_probs = teacher_log_probs(
            glimmer,
            inputs,
            outputs,
            labels,
            weights,
            glimmer.answer_reduction,
            reuse=not (training and glimmer.backbone.dropout),
        )
    if glimmer.backbone.passage_prior:
        log_probs += gather_passages(prior_of(inputs), ranking)
    present = ops.any(outputs["live_padding_mask"], axis=-1)  # (batch, passages)
    answered = row_weights > 0
    present = gather_passages(ops.logical_and(present, answered[:, None]), ranking)
    distillation = perplexity_distillation(
        gather_passages(outputs["passage_scores"], ranking),
        log_probs,
        present,
        glimmer.distillation_temperature,
        glimmer.distillation_direction,
    )
    best = ops.argmax(ops.where(present, log_probs, -float("inf")), axis=-1)
    agreement = ops.cast(best < glimmer.backbone.num_selected, "float32")
    return (
        ops.mean(distillation * row_weights),
        agreement,
        ops.cast(ops.any(present, axis=-1), "float32"),
    )


def teacher_log_probs(glimmer, inputs, outputs, labels, weights, reduction, reuse):
    """`log p(answer | passage, question)` with each passage read alone, from best to worst.

    Dropout is off and no gradient flows. Stage A and the memory encoder are not run again:
    `outputs`, the student's pass over the same `inputs`, holds their states.

    Args:
        glimmer: the `Glimmer` that is being trained.
        inputs: dictionary of model inputs.
        outputs: dictionary of `GlimmerBackbone` outputs for them.
        labels: int tensor `(batch, target_length)`.
        weights: float tensor `(batch, target_length)`, 0 on padding.
        reduction: `"mean"` or `"sum"` over the tokens of the answer.
        reuse: bool. Whether the student's stage-B states are the teacher's too, as they are
            without dropout; then only the passages not selected go through stage B.

    Returns:
        float32 tensor `(batch, passages)`, in the order of `outputs["passage_ranking"]`.
    """
    backbone = glimmer.backbone
    decoder = backbone.decoder
    ranking = outputs["passage_ranking"]
    passages = ops.shape(ranking)[1]
    first = backbone.num_selected if reuse else 0
    rest = ranking[:, first:]
    live = ops.stop_gradient(outputs["live_states"])
    mask = gather_passages(outputs["live_padding_mask"], ranking)
    states = outputs["encoded_passages"]
    if rest.shape[1] != 0:
        unread = gather_passages(live, rest)
        bias = backbone.live_position_bias(live)
        unread = backbone.stage_b(unread, mask[:, first:], bias, training=False)
        states = ops.concatenate([states, unread], axis=1) if reuse else unread
    question = {}
    if backbone.question_in_decoder:
        question["question_states"] = backbone.finish_encoding(outputs["question_memory"], False)
        question["question_mask"] = inputs["question_padding_mask"]
    memory, memory_mask = decoder.project_each(
        backbone.finish_encoding(states, False), mask, **question
    )
    decoder_inputs = (
        backbone.token_embedding(inputs["decoder_token_ids"]),
        inputs["decoder_padding_mask"],
    )
    embeddings, padding_mask = (ops.repeat(x, passages, axis=0) for x in decoder_inputs)
    hidden = decoder.decode(embeddings, padding_mask, memory, memory_mask, training=False)
    length, dim = ops.shape(hidden)[1:]
    hidden = ops.reshape(ops.stop_gradient(hidden), (-1, passages, length, dim))

    def read_alone(states):
        # One passage a time: logits of all would take `passages` times the student's memory.
        return answer_log_prob(glimmer.logits(states), labels, weights, reduction)

    log_probs = ops.map(read_alone, ops.transpose(hidden, (1, 0, 2, 3)))
    return ops.stop_gradient(ops.transpose(log_probs))
