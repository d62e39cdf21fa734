"""The comparisons of the paper's Figures 2 to 7."""

from collections.abc import Callable

from glimmer_keras.models.layer_split import LayerSplit
from recipes.paper.cells import Cell, fid, glimmer, lumen
from recipes.paper.claims import Claim, Comparison, Row, about, over
from recipes.paper.scale import Scale


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
        Row(ours, glimmer(scale), series="GLIMMER"),
    )
    claims = (
        over(ours, more, f"GLIMMER over {more}"),
        over(more, f"FiD-{m}"),
        over(ours, f"FiD-{m}", f"GLIMMER over FiD-{m}"),
        over(ours, few, f"GLIMMER over {few}, which reads as many", ours=True),
        about(ours, f"FiD-{k}", f"GLIMMER about as good as FiD-{k}", ours=True),
    )
    note = "The paper's Figure 2 is of T5 XXL, and prints no numbers."
    return Comparison("main", "Figure 2: FiD, LUMEN and GLIMMER", rows, claims, note=note)


def figures(scale: Scale) -> list[Comparison]:
    """Figures 3 to 5."""
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
    first, second, *_, last = [row.label for row in right]
    before_last = right[-2].label
    gains = {second: 1.0, first: -1.0, last: -1.0}
    gains[before_last] = gains.get(before_last, 0.0) + 1.0
    return [
        Comparison(
            "figure3-left",
            f"Figure 3, left: more passages retrieved, {m} selected",
            left,
            (over(left[-1].label, left[0].label, "the most passages over the fewest"),),
            x_label="retrieved passages k",
        ),
        Comparison(
            "figure3-right",
            f"Figure 3, right: more of {k} passages selected",
            right,
            (
                over(second, first),
                Claim(f"less gained from {before_last} to {last} than from {first} on", gains),
            ),
            x_label="selected passages m",
        ),
        figure4(scale),
        Comparison(
            "figure5",
            f"Figure 5: more of {many} passages selected",
            figure5,
            (
                over(
                    f"m = {m}",
                    figure5[-1].label,
                    f"m = {m} over {figure5[-1].label}: more passages harm",
                ),
            ),
            x_label="selected passages m",
            note="Left out: that the best m is lower with more reranking layers, which would take "
            "these rows at every rerank proportion.",
        ),
    ]


def figure4(scale: Scale) -> Comparison:
    rows = tuple(
        Row(
            f"beta = {beta:.2f}",
            glimmer(scale, rerank_proportion=beta),
            69.8 if beta == scale.rerank_proportion else None,
            beta,
            "GLIMMER",
        )
        for beta in scale.figure4_proportions
    )
    reads_all = Row(f"LUMEN-{scale.num_passages}", lumen(scale, scale.num_passages))
    fewest, most = rows[0].label, rows[-1].label
    claims = [over(most, fewest, "the most reranking layers over the fewest")]
    layers = [
        LayerSplit(scale.num_layers, scale.live_proportion, beta).stage_a
        for beta in scale.figure4_proportions
    ]
    if layers[0] < 2 <= layers[-1]:
        enough = next(row.label for row, number in zip(rows, layers, strict=True) if number >= 2)
        text = f"{enough} over {fewest}: fewer than 2 reranking layers harm"
        claims.append(over(enough, fewest, text))
    text = f"enough of them about as good as reading all {scale.num_passages} (LUMEN)"
    return Comparison(
        "figure4",
        "Figure 4: rerank proportion",
        (*rows, reads_all),
        (*claims, about(most, reads_all.label, text)),
        x_label="rerank proportion beta",
    )


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
