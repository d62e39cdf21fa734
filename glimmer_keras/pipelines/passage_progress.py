from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger("glimmer_keras")

SECONDS_BETWEEN_LINES = 30.0


class PassageProgress:
    """Tells how many passages are done and how fast: a bar in a terminal, else lines of the log.

    Args:
        description: What is being done.
        total: Number of passages.
        show: Whether to show a bar in a terminal.
    """

    def __init__(self, description: str, total: int, show: bool = True) -> None:
        self.description = description
        self.total = total
        self.done = self.computed = 0
        self._started = self._told = time.monotonic()
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (show and console.is_terminal),
        )
        self._task = self._bar.add_task(description, total=total, count="")

    def __enter__(self) -> PassageProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, passages: int, computed: bool = True) -> None:
        """Count passages that are done; the speed is of those that were `computed`."""
        self.done += passages
        self.computed += passages * computed
        now = time.monotonic()
        count = f"{self.done:,}/{self.total:,} passages"
        if self.computed:
            count += f", {self.computed / max(now - self._started, 1e-9):,.0f} a second"
        self._bar.update(self._task, completed=self.done, count=count)
        if self._bar.disable and now - self._told > SECONDS_BETWEEN_LINES:
            self._told = now
            logger.info("%s: %s", self.description, count)
