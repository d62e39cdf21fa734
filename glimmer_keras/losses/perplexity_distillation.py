from keras import ops

DIRECTIONS = ("lm_to_rank", "rank_to_lm")
REDUCTIONS = ("mean", "sum")


def perplexity_distillation(scores, log_probs, present, temperature=1.0, direction="lm_to_rank"):
    """How far the ranking is from the reader's own preference, for each example (section 3.2).

    Over the `k` retrieved passages,

        p_rank(i) = softmax(scores / temperature)
        p_LM(i)   = softmax(log_probs / temperature)

    `"lm_to_rank"` is `KL(p_LM, p_rank)`, Atlas's loss and the default; `"rank_to_lm"` is
    `KL(p_rank, p_LM)`, as the GLIMMER paper prints it. No gradient flows to `log_probs`.

    Args:
        scores: float tensor `(batch, passages)`, the relevance scores.
        log_probs: float tensor `(batch, passages)`, `log p(answer | passage, question)`.
        present: boolean tensor `(batch, passages)`. Missing passages are in neither
            distribution; an example without any passage has loss 0.
        temperature: float over 0.
        direction: `"lm_to_rank"` or `"rank_to_lm"`.

    Returns:
        float32 tensor `(batch,)`, 0 or more.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"`direction` must be one of {DIRECTIONS}. Received: {direction!r}")
    if not temperature > 0:
        raise ValueError(f"`temperature` must be over 0. Received: temperature={temperature}")
    log_rank = _log_softmax(scores, present, temperature)
    log_lm = ops.stop_gradient(_log_softmax(log_probs, present, temperature))
    if direction == "lm_to_rank":
        terms = ops.exp(log_lm) * (log_lm - log_rank)
    else:
        terms = ops.exp(log_rank) * (log_rank - log_lm)
    return ops.sum(ops.where(present, terms, 0.0), axis=-1)


def answer_log_prob(logits, labels, weights, reduction="mean"):
    """`log p(answer)` under `logits`, as the mean over its tokens ("perplexity") or the sum.

    Args:
        logits: float tensor `(..., length, vocabulary)`.
        labels: int tensor `(..., length)`.
        weights: float tensor `(..., length)`, 1 on real tokens and 0 on padding.
        reduction: `"mean"` or `"sum"`.

    Returns:
        float32 tensor `(...)`.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"`reduction` must be one of {REDUCTIONS}. Received: {reduction!r}")
    logits = ops.cast(logits, "float32")
    weights = ops.cast(weights, "float32")
    picked = ops.take_along_axis(logits, ops.cast(labels, "int32")[..., None], axis=-1)[..., 0]
    total = ops.sum((picked - ops.logsumexp(logits, axis=-1)) * weights, axis=-1)
    if reduction == "sum":
        return total
    return total / ops.maximum(ops.sum(weights, axis=-1), 1.0)


def _log_softmax(values, present, temperature):
    # A finite stand-in for minus infinity: its terms are dropped and its gradient is 0.
    values = ops.where(present, ops.cast(values, "float32") / temperature, -1e9)
    return values - ops.logsumexp(values, axis=-1, keepdims=True)
