"""What dense.py tells: evidence found, by task and depth, and what indexes find and take."""

import statistics
import time

from glimmer_keras.evaluation import score_table
from glimmer_keras.metrics import found_evidence_at
from glimmer_keras.retrieval import FaissIndex
from glimmer_keras.retrieval.dense_retriever import search_exactly

DEPTHS = (1, 5, 25)
INDEXES = (
    ("Flat", ""),
    ("HNSW32", "efSearch=64"),
    ("HNSW32", "efSearch=256"),
    ("IVF128,Flat", "nprobe=8"),
    ("IVF128,Flat", "nprobe=32"),
)
QUESTIONS_ALONE = 200


def recall_of(retriever, corpus, tasks):
    """Percent of the evidence among the first passages, by task and in the mean, by depth."""
    table = {}
    for task in tasks:
        rows, _ = retriever.search([example.question for example in task], max(DEPTHS))
        with_evidence = [
            (row, sets)
            for row, e in zip(rows, task, strict=True)
            if (sets := corpus.evidence_rows(e))
        ]
        table[task.name] = {
            depth: 100
            * statistics.mean(found_evidence_at(row, sets, depth) for row, sets in with_evidence)
            for depth in DEPTHS
        }
    mean = {d: statistics.mean(scores[d] for scores in table.values()) for d in DEPTHS}
    return table | {"mean": mean}


def compare_indexes(retriever, questions):
    """Of what the exact search finds, how much each index does, and milliseconds a question."""
    vectors, asked = retriever.vectors, retriever.encode(questions)
    searched = {"exact": timed(lambda part: search_exactly(vectors, part, max(DEPTHS)), asked)}
    for factory, parameters in INDEXES:
        start = time.perf_counter()
        index = FaissIndex.build(vectors, factory, parameters)
        built = time.perf_counter() - start
        rows, times = timed(lambda part: index.search(part, max(DEPTHS)), asked)  # noqa: B023
        searched[f"{factory} {parameters}".strip()] = rows, times | {"build_s": built}
    exact = searched["exact"][0]
    shares = {
        name: statistics.mean(
            len({*row} & {*best}) / len(best)
            for row, best in zip(rows.tolist(), exact.tolist(), strict=True)
        )
        for name, (rows, _) in searched.items()
    }
    return {name: times | {"found": shares[name]} for name, (_, times) in searched.items()}


def timed(search, asked):
    """Rows of all questions asked at once, and milliseconds a question so and one by one."""
    start = time.perf_counter()
    rows, _ = search(asked)
    together = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(min(QUESTIONS_ALONE, len(asked))):
        search(asked[number : number + 1])
    alone = (time.perf_counter() - start) / min(QUESTIONS_ALONE, len(asked))
    return rows, {"ms_together": 1000 * together / len(asked), "ms_alone": 1000 * alone}


def recall_table(recall):
    """Retrievers and depths side by side, by task."""
    rows = {
        task: {
            f"{name} @{depth}": by_task[task][depth] / 100
            for name, by_task in recall.items()
            for depth in DEPTHS
        }
        for task in recall["BM25"]
    }
    return score_table(rows, "Evidence among the first passages, in percent")
