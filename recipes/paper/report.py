"""REPORT.md, results.json and plots of the comparisons."""

import json
from pathlib import Path
from typing import Any

from glimmer_keras.utils.files import write_file
from recipes.paper.claims import Comparison
from recipes.paper.introduction import headline, introduction
from recipes.paper.results import Results
from recipes.paper.scale import Scale
from recipes.paper.summary import summarise
from recipes.paper.verdicts import RULE


def write_report(
    folder: Path,
    scale: Scale,
    chosen: list[Comparison],
    seeds: list[int],
    results: Results,
    times: dict[str, Any],
    described: dict[str, Any],
) -> None:
    """Write all of it to `folder`; comparisons without any result are left out."""
    from recipes.paper.plots import draw

    summary = summarise(scale, chosen, seeds, results, times, described)
    plots = {key: f"{key}.png" for key in draw(folder, summary)}
    write_file(folder / "results.json", json.dumps(summary, indent=1))
    write_file(folder / "REPORT.md", "\n".join(report_lines(summary, plots)))


def report_lines(summary: dict[str, Any], plots: dict[str, str]) -> list[str]:
    lines = [f"# The paper's comparisons, scale {summary['scale']['name']}", ""]
    lines += [*introduction(summary), "", *headline(summary), "", "## Verdicts", ""]
    rows = [
        [part["title"], claim_text(claim), claim_numbers(claim), claim["verdict"]]
        for part in summary["comparisons"]
        for claim in part["claims"]
    ]
    lines += table(["comparison", "claim", "difference (noise), points", "verdict"], rows)
    lines += ["", RULE.format(least=summary["least_difference"])]
    lines += ["", "In the tables n is the number of seeds, and sd the deviation over them."]
    for part in summary["comparisons"]:
        baselines = summary["data"]["baselines"] if part["key"] == "main" else {}
        lines += ["", f"## {part['title']}", "", *comparison_lines(part, baselines)]
        if part["key"] in plots:
            lines += ["", f"![{part['title']}]({plots[part['key']]})"]
    return [*lines, "", "## Time and work of an answer", "", *time_lines(summary), ""]


def comparison_lines(part: dict[str, Any], baselines: dict[str, Any]) -> list[str]:
    tasks = next(list(row["by_task"]) for row in part["rows"] if row["scores"])
    scored = part["task"] or "average"
    header = ["", scored, "n", "sd", "min to max", "paper", *tasks, "recall@m"]
    rows = [
        [f"*{name}*", f"{baseline['average']:.1f}", "", "", "", ""]
        + [f"{baseline['scores'][task]:.1f}" for task in tasks]
        + [""]
        for name, baseline in baselines.items()
    ]
    for row in part["rows"]:
        paper = "" if row["paper"] is None else f"{row['paper']:.1f}"
        if not row["scores"]:
            rows.append([row["label"], "not run", "", "", "", paper, *("" for _ in tasks), ""])
            continue
        recall = row.get("recall")
        rows.append(
            [
                row["label"],
                f"**{row['mean']:.1f}**",
                str(len(row["scores"])),
                "" if row["sd"] is None else f"{row['sd']:.1f}",
                f"{row['min']:.1f} to {row['max']:.1f}",
                paper,
                *(f"{row['by_task'][name]:.1f}" for name in tasks),
                f"{recall['retrieved']['mean']:.1f} -> {recall['reranked']['mean']:.1f}"
                if recall
                else "",
            ]
        )
    claims = [
        f"- {claim_text(claim)}: {claim_numbers(claim) or '-'}: **{claim['verdict']}**"
        for claim in part["claims"]
    ]
    note = ["", part["note"]] if part["note"] else []
    return [*table(header, rows), *note, "", *claims]


def claim_text(claim: dict[str, Any]) -> str:
    return f"*{claim['text']}*" if claim["ours"] else claim["text"]


def claim_numbers(claim: dict[str, Any]) -> str:
    if "difference" not in claim:
        return ""
    noise = f" ({claim['noise']:.1f})" if "noise" in claim else ""
    return f"{claim['difference']:+.1f}{noise}"


def time_lines(summary: dict[str, Any]) -> list[str]:
    times, work = summary["times"], summary["times"]["work"]
    machine = times["machine"]
    batches = list(times["seconds"])
    header = ["", *(f"ms a question, batch {batch} (min to max)" for batch in batches)]
    header += ["MACs, exact", "MACs, paper's formula"]
    rows = [
        [
            label,
            *(milliseconds(times["seconds"][batch][label]) for batch in batches),
            f"{work[label]['exact'] / 1e6:,.1f} M",
            f"{work[label]['formula'] / 1e6:,.1f} M",
        ]
        for label in work
    ]
    speed = [
        [
            claim_text(claim),
            str(claim["batch"]),
            f"{claim['ratio']:.2f}",
            f"{claim['by_exact']:.2f}",
            f"{claim['by_formula']:.2f}",
            f"{claim['won']} of {claim['rounds']}",
            claim["verdict"],
        ]
        for claim in summary["speed"]
    ]
    titles = ["claim", "batch", "measured", "by exact MACs", "by formula", "rounds won", "verdict"]
    return [
        f"Medians of {times['settings']['rounds']} interleaved rounds on {machine['cpu']}, "
        f"{machine['cores']} cores, {', '.join(machine['devices'])}, load "
        f"{machine['load_before'] or 0:.1f} before. LUMEN and GLIMMER have int8 memory of "
        "the passages at hand, FiD token ids; every answer is of full length. Multiply-accumulates "
        "(MACs) are those of the models as built, with attention scores and the language model "
        "head, and by the paper's formula.",
        "",
        *table(header, rows),
        "",
        *table(titles, speed),
        *why_slower(summary),
        "",
        "*Same direction*: faster in nine rounds of ten or more; *opposite*: in one or fewer.",
    ]


def why_slower(summary: dict[str, Any]) -> list[str]:
    """Where the paper's formula itself says that a claim of the paper cannot hold here."""
    slow = [c["text"] for c in summary["speed"] if c["by_formula"] < 1 and not c["ours"]]
    if not slow:
        return []
    return [
        "",
        "By the paper's own formula these do not hold at this scale: "
        f"{', '.join(dict.fromkeys(slow))}. "
        f"GLIMMER's reranking layers are {summary['reranking_share']:.2f} of the encoder here and "
        f"run over all {summary['num_passages']} passages; in the paper they are 0.08 of it.",
    ]


def milliseconds(seconds: dict[str, float]) -> str:
    low, middle, high = (1000 * seconds[key] for key in ("min", "median", "max"))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---" for _ in header]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
