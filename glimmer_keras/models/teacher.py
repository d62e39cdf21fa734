from keras import ops

from glimmer_keras.layers.top_m_select import gather_passages
from glimmer_keras.losses import answer_log_prob


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
