"""What a comparison of the paper is made of: rows, and claims on their scores."""

from dataclasses import dataclass

from recipes.paper.cells import Cell


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
    """Rows, and the claims on them.

    Args:
        key: What `--only` calls it.
        title: Of its part of the report.
        rows: What stands side by side.
        claims: What should come out.
        task: The one that is scored, `None` for the average.
        x_label: Of the figure's axis.
        note: What a reader of the table has to know.
    """

    key: str
    title: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    task: str | None = None
    x_label: str = ""
    note: str = ""


def over(high: str, low: str, text: str = "", ours: bool = False) -> Claim:
    """The row of one label scores over that of another."""
    return Claim(text or f"{high} over {low}", {high: 1, low: -1}, ours=ours)


def about(label: str, other: str, text: str = "", ours: bool = False) -> Claim:
    """Two rows are about as good."""
    text = text or f"{label} about as good as {other}"
    return Claim(text, {label: 1, other: -1}, alike=True, ours=ours)


def against(label: str, baseline: str, difference: float) -> Claim:
    """The paper's direction between a row and the baseline."""
    if difference == 0:
        return about(label, baseline)
    high, low = (label, baseline) if difference > 0 else (baseline, label)
    return over(high, low, f"{high} over {low} (by {abs(difference):.1f})")
