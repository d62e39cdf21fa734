"""Plots of the report. Needs matplotlib, of the `report` extra."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glimmer_keras.utils.files import write_file

COLOURS = {"FiD": "#555555", "LUMEN": "#2b7bba", "GLIMMER": "#d1495b"}
Rows = list[dict[str, Any]]

matplotlib.rcParams |= {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 9,
}


def draw(folder: Path, summary: dict[str, Any]) -> list[str]:
    """Draw every comparison that has a figure and results; gives the keys of those drawn."""
    drawn = []
    for part in summary["comparisons"]:
        rows = [row for row in part["rows"] if row["scores"]]
        plot: Callable[[Axes], None] | None = None
        if part["key"] == "main":
            plot = partial(by_time, rows=rows, times=summary["times"])
        elif part["x_label"] and any(row["x"] is not None for row in rows):
            plot = partial(by_x, rows=rows, part=part)
        if plot is None:
            continue
        figure = Figure(figsize=(5.2, 3.4), dpi=110, layout="constrained")
        axes = figure.subplots()
        plot(axes)
        axes.set_ylabel(f"{part['task'] or 'average'} score")
        axes.set_title(part["title"], fontsize=10)
        image = io.BytesIO()
        figure.savefig(image, format="png")
        write_file(folder / f"{part['key']}.png", image.getvalue())
        drawn.append(part["key"])
    return drawn


def by_time(axes: Axes, rows: Rows, times: dict[str, Any]) -> None:
    """Score against time per question, for a single question."""
    seconds = times["seconds"]["1"]
    for series, colour in COLOURS.items():
        points = [row for row in rows if row["series"] == series]
        x = [1000 * seconds[row["label"]]["median"] for row in points]
        y = [row["mean"] for row in points]
        axes.errorbar(x, y, deviations(points), fmt="o-", color=colour, lw=1, capsize=3)
        for row, place in zip(points, zip(x, y, strict=True), strict=True):
            axes.annotate(
                row["label"].replace("->", "→"),
                place,
                xytext=(6, 5 if series == "LUMEN" else -11),
                textcoords="offset points",
                color=colour,
            )
    axes.margins(x=0.18, y=0.12)
    axes.set_xlabel("milliseconds per question, batch 1")


def by_x(axes: Axes, rows: Rows, part: dict[str, Any]) -> None:
    """Score against the figure's axis, a line a series; rows without a place are levels."""
    placed = [row for row in rows if row["x"] is not None]
    colours = iter(("#d1495b", "#2b7bba", "#555555"))
    for series in dict.fromkeys(row["series"] for row in placed):
        points = [row for row in placed if row["series"] == series]
        x, y = ([row[key] for row in points] for key in ("x", "mean"))
        colour = next(colours)
        axes.errorbar(x, y, deviations(points), fmt="o-", color=colour, capsize=3, label=series)
    for row in rows:
        if row["x"] is None:
            axes.axhline(row["mean"], color="#555555", ls="--", lw=1, label=row["label"])
    places = sorted({row["x"] for row in placed})
    if places[-1] > 10 * places[0]:
        axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:.3g}" for place in places])
    axes.minorticks_off()
    axes.set_xlabel(part["x_label"])
    if any(text for text in axes.get_legend_handles_labels()[1]):
        axes.legend(frameon=False)


def deviations(points: Rows) -> list[float]:
    """Standard deviations over seeds; no bar for one seed."""
    return [row["sd"] or 0.0 for row in points]
