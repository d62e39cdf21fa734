"""What the report tells, as JSON."""

import statistics
from typing import Any

import keras

from recipes.paper.cells import glimmer
from recipes.paper.claims import Comparison, Row
from recipes.paper.results import Results
from recipes.paper.scale import Scale
from recipes.paper.times import faster
from recipes.paper.verdicts import NOISE, OPPOSITE, SAME, Sample, spread_of, verdict


def summarise(
    scale: Scale,
    chosen: list[Comparison],
    seeds: list[int],
    results: Results,
    times: dict[str, Any],
    described: dict[str, Any],
) -> dict[str, Any]:
    """Everything the report tells, as JSON."""
    parts = [compare(comparison, seeds, results, scale) for comparison in chosen]
    baseline = glimmer(scale)
    return {
        "scale": scale.training(),
        "num_passages": scale.num_passages,
        "num_selected": scale.num_selected,
        "baseline": baseline.settings | baseline.compile,
        "reranking_share": scale.live_proportion * scale.rerank_proportion,
        "least_difference": scale.least_difference,
        "seeds": seeds,
        "best_checkpoint": any(r["settings"]["best_checkpoint"] for r in results.values()),
        "backend": keras.backend.backend(),
        "data": described,
        "comparisons": [part for part in parts if any(row["scores"] for row in part["rows"])],
        "times": times,
        "speed": speed_claims(scale, times),
        "cells": len(results),
    }


def compare(
    comparison: Comparison, seeds: list[int], results: Results, scale: Scale
) -> dict[str, Any]:
    task = comparison.task
    scored = {
        row.label: [
            results[row.cell.name, seed] for seed in seeds if (row.cell.name, seed) in results
        ]
        for row in comparison.rows
    }
    samples = {label: sample_of(kept, task) for label, kept in scored.items() if kept}
    claims = [
        {"text": claim.text, "ours": claim.ours, "alike": claim.alike}
        | verdict(claim, samples, scale.least_difference)
        for claim in comparison.claims
    ]
    names = ("key", "title", "task", "x_label", "note")
    return {
        **{name: getattr(comparison, name) for name in names},
        "rows": [summarise_row(row, task, scored[row.label]) for row in comparison.rows],
        "claims": claims,
    }


def sample_of(scored: list[dict[str, Any]], task: str | None) -> Sample:
    """Of the results of a row, the average's or one task's."""
    names = scored[0]["scores"] if task is None else [task]
    return Sample(
        [result["average"] if task is None else result["scores"][task] for result in scored],
        {name: [result["correct"][name] for result in scored] for name in names},
    )


def summarise_row(row: Row, task: str | None, scored: list[dict[str, Any]]) -> dict[str, Any]:
    scores = sample_of(scored, task).scores if scored else []
    summary: dict[str, Any] = {
        "label": row.label,
        "cell": row.cell.name,
        "paper": row.paper,
        "x": row.x,
        "series": row.series,
        "scores": scores,
    }
    if not scored:
        return summary
    summary |= spread_of(scores)
    summary["by_task"] = {
        name: statistics.mean(r["scores"][name] for r in scored) for name in scored[0]["scores"]
    }
    summary["layers"] = scored[0]["layers"]
    if recalls := [r["recall"]["average"] for r in scored if r["recall"]]:
        summary["recall"] = {
            kind: spread_of([recall[kind] for recall in recalls]) for kind in recalls[0]
        }
    return summary


def speed_claims(scale: Scale, times: dict[str, Any]) -> list[dict[str, Any]]:
    """Who answers faster: same if it does so in nine rounds of ten or more."""
    k, m = scale.num_passages, scale.num_selected
    ours, more = f"GLIMMER {k}->{m}", f"LUMEN-{2 * m}"
    pairs = [(ours, more, False), (more, f"FiD-{m}", False), (ours, f"FiD-{m}", False)]
    pairs += [(ours, other, True) for other in (f"LUMEN-{k}", f"FiD-{k}")]
    claims = []
    for fast, slow, ours_alone in pairs:
        work = {
            kind: times["work"][slow][kind] / times["work"][fast][kind]
            for kind in ("formula", "exact")
        }
        for batch, compared in faster(times, fast, slow).items():
            share = compared["won"] / compared["rounds"]
            judged = SAME if share >= 0.9 else OPPOSITE if share <= 0.1 else NOISE
            claims.append(
                {
                    "text": f"{fast} faster than {slow}",
                    "ours": ours_alone,
                    "batch": int(batch),
                    "verdict": judged,
                }
                | compared
                | {f"by_{kind}": value for kind, value in work.items()}
            )
    return claims
