"""The comparisons of the paper: which cells stand side by side, and what should come out."""

from collections.abc import Iterable

from recipes.paper.cells import Cell, fid, glimmer, lumen
from recipes.paper.claims import Comparison, Row, about, against, over
from recipes.paper.figures import figures, main, multi_task
from recipes.paper.scale import Scale


def comparisons(scale: Scale) -> list[Comparison]:
    """All of them, the main one first."""
    return [
        main(scale),
        *figures(scale),
        prior(scale),
        *distillation(scale),
        *tables(scale),
        *multi_task(scale),
        fido(scale),
    ]


def distinct_cells(chosen: Iterable[Comparison]) -> list[Cell]:
    """The cells of comparisons, each once, in their order."""
    return list({row.cell.name: row.cell for each in chosen for row in each.rows}.values())


def prior(scale: Scale) -> Comparison:
    """What every retriever hands over and the paper leaves unused."""
    k = scale.num_passages
    paper, ours = "GLIMMER", "GLIMMER, with the order of BM25"
    rows = (
        Row(paper, glimmer(scale)),
        Row(ours, glimmer(scale, passage_prior=True)),
        Row(f"{paper}, m = 1", glimmer(scale, m=1)),
        Row(f"{ours}, m = 1", glimmer(scale, m=1, passage_prior=True)),
        Row(f"LUMEN-{scale.num_selected}", lumen(scale, scale.num_selected)),
        Row("LUMEN-1", lumen(scale, 1)),
        Row(f"LUMEN-{k}", lumen(scale, k)),
        Row(f"FiD-{k}", fid(scale, k)),
    )
    claims = (
        over(ours, paper, ours=True),
        over(ours, f"LUMEN-{scale.num_selected}", ours=True),
        over(f"{ours}, m = 1", "LUMEN-1", ours=True),
        about(ours, f"LUMEN-{k}", ours=True),
        about(ours, f"FiD-{k}", ours=True),
    )
    note = (
        "The place that BM25 gives a passage enters the teacher as a prior and the relevance score "
        "by a learned weight (`passage_prior`)."
    )
    return Comparison("prior", "The first stage's order as a prior", rows, claims, note=note)


def distillation(scale: Scale) -> list[Comparison]:
    """What the paper is silent on."""
    base = glimmer(scale)
    printed = glimmer(scale, distillation_direction="rank_to_lm")
    zero = glimmer(scale, start="scorer at zero")
    temperatures = tuple(
        Row(f"tau = {tau:g}", glimmer(scale, distillation_temperature=tau), x=tau)
        for tau in scale.temperatures
    )
    low, high = temperatures[0].label, temperatures[-1].label
    lm_first, rank_first = "KL(p_LM, p_rank), as in Atlas", "KL(p_rank, p_LM), as printed"
    return [
        Comparison(
            "direction",
            "Direction of the distillation",
            (Row(lm_first, base), Row(rank_first, printed)),
            (over(lm_first, rank_first, "the direction of Atlas over the printed", ours=True),),
        ),
        Comparison(
            "start",
            "Start of the scorer",
            (Row("normal", base), Row("zero", zero)),
            (over("normal", "zero", "a normal start over zero", ours=True),),
        ),
        Comparison(
            "temperature",
            "Temperature of the distillation",
            temperatures,
            (over(low, high, f"the lowest, {low}, over the highest, {high}", ours=True),),
            x_label="temperature tau",
        ),
    ]


def tables(scale: Scale) -> list[Comparison]:
    base = Row("GLIMMER", glimmer(scale), 69.8)
    separate = glimmer(scale, reranker="separate")
    scratch = glimmer(scale, start="reranker from scratch", reranker="separate")
    tau = scale.temperature
    low, high = (
        Row(
            f"tau = {factor * tau:g} (baseline {tau:g}; the paper's {factor:g}, baseline 1)",
            glimmer(scale, distillation_temperature=factor * tau),
            paper,
        )
        for factor, paper in ((0.1, 70.1), (5, 69.4))
    )
    ablations = (
        Row("Separate question encoder", glimmer(scale, question_encoder="separate"), 70.0),
        Row("lambda = 0.1", glimmer(scale, distillation_weight=0.1), 69.5),
        Row("lambda = 10", glimmer(scale, distillation_weight=10.0), 69.5),
        low,
        high,
        Row("Mean pool", glimmer(scale, score_pooling="mean"), 69.8),
    )
    return [
        Comparison(
            "table1",
            "Table 1: the reranker",
            (
                Row("GLIMMER (shared)", base.cell, 69.8),
                Row("Separate (from T5)", separate, 70.0),
                Row("Separate (from scratch)", scratch, 68.7),
            ),
            (
                about("Separate (from T5)", "GLIMMER (shared)"),
                against("Separate (from scratch)", "GLIMMER (shared)", 68.7 - 69.8),
            ),
        ),
        Comparison(
            "table2",
            "Table 2: frozen memory",
            (base, Row("Frozen memory", glimmer(scale, train_memory=False), 69.0)),
            (against("Frozen memory", base.label, 69.0 - 69.8),),
            note="Frozen memory (`train_memory=False`) freezes the token embeddings too, as they "
            "are part of the memory. Where a T5 ties them to the language model head, as "
            "`tiny_world` and those of recipes.pretraining do, the head is frozen too.",
        ),
        Comparison(
            "table3",
            "Table 3: ablations",
            (base, *ablations),
            tuple(against(row.label, base.label, (row.paper or 0) - 69.8) for row in ablations),
        ),
    ]


def fido(scale: Scale) -> Comparison:
    """What decoding is made faster by: fewer keys and values, in fewer layers (section 3.3)."""
    base, every = Row("GLIMMER", glimmer(scale)), scale.num_layers // 2
    heads = {"cross_attention_key_value_heads": 1}
    layers = {"cross_attention_every": every}
    rows = (
        Row("one head of keys and values", glimmer(scale, **heads)),
        Row(f"cross-attention in one of {every} layers", glimmer(scale, **layers)),
        Row("both", glimmer(scale, **heads, **layers)),
    )
    return Comparison(
        "fido",
        "Section 3.3: cheaper cross-attention, as FiDO's",
        (base, *rows),
        tuple(about(row.label, base.label, ours=True) for row in rows),
        note="At the start the one head is the mean of the T5's, and some layers have lost their "
        "cross-attention. What this gains: recipes.benchmarks.decoding.",
    )
