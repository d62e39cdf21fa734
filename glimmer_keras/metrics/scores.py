from collections.abc import Iterable


class Scores:
    """Adds up scores of examples, by task and metric.

    The average over tasks counts every task alike, whatever its size, as KILT's tables do.

    Example:
        scores = Scores()
        scores.update("nq", exact_match=[1.0, 0.0], f1=[1.0, 0.5])
        scores.update("fever", exact_match=[1.0])
        scores.by_task()   # {"nq": {"exact_match": 0.5, "f1": 0.75}, "fever": {...}}
        scores.average()   # {"exact_match": 0.75, "f1": 0.75}
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], tuple[float, int]] = {}

    def update(self, task: str, **values: Iterable[float]) -> None:
        """Add scores of a batch of examples.

        Args:
            task: Name of the task.
            values: For each metric by name, the scores of the examples.
        """
        for metric, scores in values.items():
            total, count = self._sums.get((task, metric), (0.0, 0))
            for score in scores:
                total, count = total + float(score), count + 1
            self._sums[task, metric] = total, count

    def by_task(self) -> dict[str, dict[str, float]]:
        """Average every metric in every task; metrics without a score are left out."""
        means: dict[str, dict[str, float]] = {}
        for (task, metric), (total, count) in self._sums.items():
            if count:
                means.setdefault(task, {})[metric] = total / count
        return means

    def average(self) -> dict[str, float]:
        """Average the means of the tasks, for each metric over those that have it."""
        columns: dict[str, list[float]] = {}
        for means in self.by_task().values():
            for metric, mean in means.items():
                columns.setdefault(metric, []).append(mean)
        return {metric: sum(values) / len(values) for metric, values in columns.items()}

    def __repr__(self) -> str:
        tasks = {task for task, _ in self._sums}
        return f"Scores({len(tasks)} tasks, average={self.average()})"
