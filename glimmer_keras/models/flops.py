from dataclasses import asdict, dataclass

from glimmer_keras.layers.attention import check_key_value_heads
from glimmer_keras.layers.fid_decoder import cross_attention_layers
from glimmer_keras.models.sizes import size_arguments, system_arguments


@dataclass(frozen=True)
class Flops:
    """Multiply-accumulates for one question, by the paper's formulas (sections 2.1, 2.2, 3.3).

    They leave out attention scores, embeddings, the language model head and the memory encoder
    (which ran offline), and count for each token and layer `8 d^2` in the feed-forward block,
    `4 d^2` in self-attention and `2 d^2` in cross-attention projections, as at T5.1.1 Base.
    """

    live_encoder: float
    reranking: float
    cross_attention: float
    decoder: float

    @property
    def total(self):
        return sum(asdict(self).values())


def flops(
    size="base",
    system="glimmer",
    *,
    num_passages=25,
    passage_length=352,
    answer_length=16,
    **settings,
):
    """What one answer costs by the paper's formulas, for any setting of the family.

        FiD     = k n_p L 14 d^2 + n_t L 14 d^2
        LUMEN   = k n_p alpha L 12 d^2 + k n_p L 2 d^2 + n_t L 14 d^2
        GLIMMER = LUMEN(m) + (k - m) n_p beta alpha L 12 d^2

    Args:
        size: string. A named size of T5.1.1.
        system: string. `"fid"`, `"lumen"` or `"glimmer"`.
        num_passages: int. `k`.
        passage_length: int. `n_p`, tokens the live encoder reads for a passage, the
            question's among them.
        answer_length: int. `n_t`.
        **settings: `live_proportion`, `rerank_proportion`, `num_selected`, `num_layers`,
            `num_heads` and `hidden_dim` replace what `size` and `system` say;
            `cross_attention_key_value_heads` and `cross_attention_every` take their share of
            the formulas' `2 d^2` of keys and values, and the latter of the `2 d^2` that the
            answer's tokens take beside.

    Returns:
        A `Flops`, in multiply-accumulates, with `total`.
    """
    sizes = size_arguments(size)
    unknown = set(settings) - {
        "live_proportion",
        "rerank_proportion",
        "num_selected",
        "num_layers",
        "num_heads",
        "hidden_dim",
        "cross_attention_key_value_heads",
        "cross_attention_every",
    }
    if unknown:
        raise ValueError(f"Unknown settings of `flops`. Received: {sorted(unknown)}")
    settings = {**sizes, **system_arguments(system, settings)}
    layers, squared = settings["num_layers"], settings["hidden_dim"] ** 2
    alpha, selected = settings["live_proportion"], settings["num_selected"]
    beta = settings.get("rerank_proportion", 0.0)
    if selected is None:
        selected, beta = num_passages, 0.0
    if not 1 <= selected <= num_passages:
        raise ValueError(
            "`num_selected` must be from 1 to `num_passages`. "
            f"Received: num_selected={selected}, num_passages={num_passages}"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"`live_proportion` must be from 0 to 1. Received: {alpha}")
    heads = settings["num_heads"]
    shared = settings.get("cross_attention_key_value_heads")
    shared = check_key_value_heads(shared, heads, "cross_attention_key_value_heads") / heads
    reading = len(cross_attention_layers(layers, settings.get("cross_attention_every", 1)))
    return Flops(
        live_encoder=selected * passage_length * alpha * layers * 12 * squared,
        reranking=(num_passages - selected) * passage_length * beta * alpha * layers * 12 * squared,
        cross_attention=selected * passage_length * reading * shared * 2 * squared,
        decoder=answer_length * (layers * 12 + reading * 2) * squared,
    )


def training_flops(
    size="base",
    system="glimmer",
    *,
    num_passages=25,
    passage_length=352,
    question_length=48,
    answer_length=16,
    dropout=True,
    **settings,
):
    """What a training step costs for one question by the paper's formulas, everything trained.

    Three times the forward pass, that of the memory encoder included, and with a scorer once the
    teacher: what stage B has not read yet, and the decoder over each passage alone (section 3.2).

    Args:
        size: string. A named size of T5.1.1.
        system: string. `"fid"`, `"lumen"` or `"glimmer"`.
        num_passages: int. `k`.
        passage_length: int. `n_p`, tokens the live encoder reads for a passage, the
            question's among them.
        question_length: int. Tokens of the question.
        answer_length: int. `n_t`.
        dropout: bool. Without it the teacher reuses what stage B gave for the selected passages.
        **settings: as in `flops`.

    Returns:
        A float, in multiply-accumulates.
    """

    def count(passages, length, **changes):
        return flops(
            size,
            system,
            num_passages=passages,
            passage_length=length,
            answer_length=answer_length,
            **{**settings, **changes},
        )

    alone = {"num_selected": None}
    merged = system_arguments(system, settings)
    alpha, selected = merged["live_proportion"], merged["num_selected"]
    memory = {"live_proportion": 1 - alpha, **alone}
    stored = count(num_passages, passage_length - question_length, **memory).live_encoder
    stored += count(1, question_length, **memory).live_encoder
    student = 3 * (count(num_passages, passage_length).total + stored)
    if selected is None:
        return student
    unread = num_passages if dropout else num_passages - selected
    stage_b = {"live_proportion": alpha * (1 - merged["rerank_proportion"]), **alone}
    teacher = unread * count(1, passage_length, **stage_b).live_encoder
    read = count(1, passage_length, **alone)
    return student + teacher + num_passages * (read.cross_attention + read.decoder)
