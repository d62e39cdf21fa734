from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

T = TypeVar("T")

logger = logging.getLogger("glimmer_keras")

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """How far some long work is, and how fast.

    A bar in a terminal; else a line of the log at times. A context manager around the work.

    Args:
        description: What is being done, such as `"Encoding"`.
        total: Number of units, `None` if unknown.
        unit: What is counted, in the plural.
        show: Whether to show it at all.
        done: Units that were done before.
        every: Units from one line of the log to the next; `None` for one each half minute.
        transient: Whether the bar goes when the work is done.

    Example:
        with Progress("Encoding", 5000, "passages") as progress:
            progress.advance(128)
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        unit: str,
        show: bool = True,
        done: int = 0,
        every: int | None = None,
        transient: bool = True,
    ) -> None:
        self.description, self.total, self.unit, self.show = description, total, unit, show
        self.done, self.computed = done, 0
        self._every, self._transient = every, transient
        self._started = self._last_line = time.monotonic()
        self._line_at = done
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        self._bar = _bar(self._transient) if self.show else None
        if self._bar is not None:
            self._bar.start()
            self._bar.add_task(self.description, total=self.total, completed=self.done, count="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, units: int = 1, computed: bool = True, note: str = "") -> None:
        """Count units that are done.

        Args:
            units: How many.
            computed: Whether they took work, and count in the speed.
            note: Said beside the count, such as a loss.
        """
        self.done += units
        self.computed += units * computed
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=self.done, count=self._count(now, note)
            )
        elif self.show and self._is_line_due(now):
            self._last_line, self._line_at = now, self.done
            logger.info("%s: %s", self.description, self._count(now, note))

    def restart_clock(self) -> None:
        """Measure the speed from now on, as after a first step that compiles."""
        self._started, self.computed = time.monotonic(), 0

    def _is_line_due(self, now: float) -> bool:
        if self._every is None:
            return now - self._last_line > SECONDS_BETWEEN_LINES
        return self.done // self._every > self._line_at // self._every or self.done == self.total

    def _count(self, now: float, note: str) -> str:
        total = "" if self.total is None else f"/{self.total:,}"
        count = f"{self.done:,}{total} {self.unit}" + (f", {note}" if note else "")
        if self.computed:
            speed = self.computed / max(now - self._started, 1e-9)
            count += f", {speed:,.0f} a second" if speed >= 10 else f", {speed:.3g} a second"
        return count


def track(
    items: Iterable[T], description: str, unit: str, total: int | None = None, show: bool = True
) -> Iterator[T]:
    """Give items one by one and tell how far that is, as `Progress` does.

    Args:
        items: What to give.
        description: What is done with them.
        unit: What they are, in the plural.
        total: Their number; by default their length, if they have one.
        show: See `Progress`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(description, total, unit, show) as progress:
        for item in items:
            yield item
            progress.advance()


def _bar(transient: bool) -> Bar | None:
    """A bar on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}")
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=transient)
