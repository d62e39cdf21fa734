"""The comparisons of the paper: which cells stand side by side, and what should come out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from _paper_cells import Cell, fid, glimmer, lumen
from _paper_scale import Scale


@dataclass(frozen=True)
class Row:
    """A cell in a comparison, with the paper's score if it tells one.

    Args:
        label: Distinct within the comparison.
        cell: Its training.
        paper: KILT dev average at Large.
        x: Place in a figure.
        series: Its line in a figure.
    """

    label: str
    cell: Cell
    paper: float | None = None
    x: float | None = None
    series: str = ""


@dataclass(frozen=True)
class Claim:
    """A direction: the sum of `contrast`, from labels to factors of scores, is over 0.

    Args:
        text: The claim in words.
        contrast: Factors of the rows' scores.
        alike: The claim is that the sum is about 0 instead.
        ours: Who claims is this project, not the paper.
    """

    text: str
    contrast: dict[str, float]
    alike: bool = False
    ours: bool = False


@dataclass(frozen=True)
class Comparison:
    """Rows, and the claims on them; `task` is the one scored, `None` for the average."""

    key: str
    title: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    task: str | None = None
    x_label: str = ""


def comparisons(scale: Scale) -> list[Comparison]:
    """All of them, the main one first."""
    return [
        main(scale),
        *figures(scale),
        *distillation(scale),
        *tables(scale),
        *multi_task(scale),
    ]


def distinct_cells(chosen: Iterable[Comparison]) -> list[Cell]:
    """The cells of comparisons, each once, in their order."""
    return list({row.cell.name: row.cell for each in chosen for row in each.rows}.values())


def main(scale: Scale) -> Comparison:
    k, m = scale.num_passages, scale.num_selected
    few, more, all_of_them = f"LUMEN-{m}", f"LUMEN-{2 * m}", f"LUMEN-{k}"
    ours = f"GLIMMER {k}->{m}"
    rows = (
        Row(f"FiD-{m}", fid(scale, m), series="FiD"),
        Row(f"FiD-{k}", fid(scale, k), series="FiD"),
        Row(few, lumen(scale, m), series="LUMEN"),
        Row(more, lumen(scale, 2 * m), series="LUMEN"),
        Row(all_of_them, lumen(scale, k), series="LUMEN"),
        Row(ours, glimmer(scale), 69.8, series="GLIMMER"),
    )
    claims = (
        Claim(f"GLIMMER over {more}", {ours: 1, more: -1}),
        Claim(f"{more} over FiD-{m}", {more: 1, f"FiD-{m}": -1}),
        Claim(f"GLIMMER over FiD-{m}", {ours: 1, f"FiD-{m}": -1}),
        Claim(f"GLIMMER over {few}, which reads as many", {ours: 1, few: -1}, ours=True),
        Claim(f"GLIMMER about as good as FiD-{k}", {ours: 1, f"FiD-{k}": -1}, True, True),
    )
    return Comparison("main", "Figure 2: FiD, LUMEN and GLIMMER", rows, claims)


def figures(scale: Scale) -> list[Comparison]:
    k, m = scale.num_passages, scale.num_selected
    left = tuple(
        Row(f"k = {n}", glimmer(scale, k=n), 69.8 if n == k else None, n)
        for n in scale.figure3_passages
    )
    right = tuple(
        Row(f"m = {n}", glimmer(scale, m=n), 69.8 if n == m else None, n)
        for n in scale.figure3_selected
    )
    many = scale.figure5_passages
    figure5 = tuple(Row(f"m = {n}", glimmer(scale, many, n), x=n) for n in scale.figure5_selected)
    figure4 = tuple(
        Row(
            f"beta = {beta:.2f}",
            glimmer(scale, rerank_proportion=beta),
            69.8 if beta == scale.rerank_proportion else None,
            beta,
            "GLIMMER",
        )
        for beta in scale.figure4_proportions
    )
    reads_all = Row(f"LUMEN-{k}", lumen(scale, k))
    first, second, *_, last = [row.label for row in right]
    before_last = right[-2].label
    gains = {second: 1.0, first: -1.0, last: -1.0}
    gains[before_last] = gains.get(before_last, 0.0) + 1.0
    return [
        Comparison(
            "figure3-left",
            f"Figure 3, left: more passages retrieved, {m} selected",
            left,
            (Claim("the most passages over the fewest", {left[-1].label: 1, left[0].label: -1}),),
            x_label="retrieved passages k",
        ),
        Comparison(
            "figure3-right",
            f"Figure 3, right: more of {k} passages selected",
            right,
            (
                Claim(f"{second} over {first}", {second: 1, first: -1}),
                Claim(f"less gained from {before_last} to {last} than from {first} on", gains),
            ),
            x_label="selected passages m",
        ),
        Comparison(
            "figure4",
            "Figure 4: rerank proportion",
            (*figure4, reads_all),
            (
                Claim(
                    "the most reranking layers over the fewest",
                    {figure4[-1].label: 1, figure4[0].label: -1},
                ),
                Claim(
                    f"enough of them about as good as reading all {k} (LUMEN)",
                    {figure4[-1].label: 1, reads_all.label: -1},
                    alike=True,
                ),
            ),
            x_label="rerank proportion beta",
        ),
        Comparison(
            "figure5",
            f"Figure 5: more of {many} passages selected",
            figure5,
            (
                Claim(
                    f"m = {m} over {figure5[-1].label}: more passages harm",
                    {f"m = {m}": 1, figure5[-1].label: -1},
                ),
            ),
            x_label="selected passages m",
        ),
    ]


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
            (
                Claim(
                    "the direction of Atlas over the printed",
                    {lm_first: 1, rank_first: -1},
                    False,
                    True,
                ),
            ),
        ),
        Comparison(
            "start",
            "Start of the scorer",
            (Row("normal", base), Row("zero", zero)),
            (Claim("a normal start over zero", {"normal": 1, "zero": -1}, False, True),),
        ),
        Comparison(
            "temperature",
            "Temperature of the distillation",
            temperatures,
            (Claim(f"the lowest, {low}, over the highest, {high}", {low: 1, high: -1}),),
            x_label="temperature tau",
        ),
    ]


def tables(scale: Scale) -> list[Comparison]:
    base = Row("GLIMMER", glimmer(scale), 69.8)
    separate = glimmer(scale, reranker="separate")
    scratch = glimmer(scale, start="reranker from scratch", reranker="separate")
    tau = scale.temperature
    ablations = (
        Row("Separate question encoder", glimmer(scale, question_encoder="separate"), 70.0),
        Row("lambda = 0.1", glimmer(scale, distillation_weight=0.1), 69.5),
        Row("lambda = 10", glimmer(scale, distillation_weight=10.0), 69.5),
        Row("tau times 0.1", glimmer(scale, distillation_temperature=0.1 * tau), 70.1),
        Row("tau times 5", glimmer(scale, distillation_temperature=5 * tau), 69.4),
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
                against("Separate (from T5)", "GLIMMER (shared)", 70.0 - 69.8),
                against("Separate (from scratch)", "GLIMMER (shared)", 68.7 - 69.8),
            ),
        ),
        Comparison(
            "table2",
            "Table 2: frozen memory",
            (base, Row("Frozen memory", glimmer(scale, train_memory=False), 69.0)),
            (against("Frozen memory", base.label, 69.0 - 69.8),),
        ),
        Comparison(
            "table3",
            "Table 3: ablations",
            (base, *ablations),
            tuple(against(row.label, base.label, (row.paper or 0) - 69.8) for row in ablations),
        ),
    ]


def against(label: str, baseline: str, difference: float) -> Claim:
    """The paper's direction between a row and the baseline."""
    if difference == 0:
        return Claim(f"{label} about as good as {baseline}", {label: 1, baseline: -1}, alike=True)
    high, low = (label, baseline) if difference > 0 else (baseline, label)
    return Claim(f"{high} over {low} (by {abs(difference):.1f})", {high: 1, low: -1})


def multi_task(scale: Scale) -> list[Comparison]:
    """Trained on the question task alone, and on all tasks; as many passages as LUMEN's 2m."""
    k, task = 2 * scale.num_selected, scale.question_task
    alphas = scale.figure7_proportions
    ways: tuple[tuple[str, tuple[str, ...] | None], ...] = (
        (f"{task} alone", (task,)),
        ("all", None),
    )

    def rows(label: str, cell: Callable[..., Cell], x: float | None = None) -> tuple[Row, ...]:
        return tuple(Row(f"{label}, {way}", cell(tasks), None, x, way) for way, tasks in ways)

    def gain(label: str, factor: float = 1.0) -> dict[str, float]:
        return {f"{label}, all": factor, f"{label}, {task} alone": -factor}

    pairs = {
        alpha: rows(
            f"LUMEN alpha {alpha:.2f}",
            lambda tasks, alpha=alpha: lumen(scale, k, alpha, tasks),
            alpha,
        )
        for alpha in alphas
    }
    whole = rows("FiD", lambda tasks: fid(scale, k, tasks))
    small = [alpha for alpha in alphas if alpha < 1][:2]
    least, most = (f"LUMEN alpha {alpha:.2f}" for alpha in (alphas[0], alphas[-1]))
    better = "all tasks over {} alone"
    figure6 = [
        Claim(f"{label}: {better.format(task)}", gain(label))
        for label in ("FiD", *(f"LUMEN alpha {alpha:.2f}" for alpha in small))
    ]
    more = Claim(f"{least} gains more by it than FiD", gain(least) | gain("FiD", -1.0))
    curve = Claim(f"{least} gains more by it than {most}", gain(least) | gain(most, -1.0))
    return [
        Comparison(
            "figure6",
            f"Figure 6: one task against all, {k} passages",
            (*whole, *(row for alpha in small for row in pairs[alpha])),
            (*figure6, more),
            task,
        ),
        Comparison(
            "figure7",
            f"Figure 7: one task against all, {k} passages, by live proportion",
            tuple(row for pair in pairs.values() for row in pair),
            (curve,),
            task,
            "live proportion alpha",
        ),
    ]
