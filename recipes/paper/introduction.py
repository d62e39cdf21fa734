"""What REPORT.md says before its tables."""

from typing import Any

PRETRAINED = (
    "`tiny_world` ends its own pretraining as exactly the baseline's GLIMMER: live proportion 3/4, "
    "rerank proportion 2/3, two passages selected, temperature 0.1, direction lm_to_rank, all "
    "tasks at once; 15,000 steps of it. With {steps:,} steps here, whatever differs from the "
    "baseline has more to learn anew. Nothing in the pretraining reads more than two passages at "
    "once, so FiD and LUMEN with many start from a decoder that never did.",
    "Rows on a single task start from a model that was trained on several. The memory encoder was "
    "trained to make memory before it is frozen, unlike that of the paper's T5.1.1.",
    "The pretraining used which passage tells an answer, in worlds of its own. No training here "
    "did.",
    "So the verdicts are on directions; the values hold for this start and so short a training.",
)
READER = (
    "The T5 of recipes.pretraining learned to read from one gold passage a question, then "
    "(recipes.pretraining.rank) to rerank eight passages by BM25 to two, with this scale's "
    "proportions of layers and without labels; wherever a comparison differs from that it has more "
    "to learn anew in {steps:,} steps. Nothing in the pretraining reads more than two passages at "
    "once, so FiD and LUMEN with many start from a decoder that never did. The scorer of every "
    "GLIMMER starts afresh.",
    "The questions of these trainings are among those that the T5 was pretrained on. None of the "
    "questions scored is.",
    "Rows on a single task start from a model that was trained on several. The memory encoder was "
    "trained to make memory before it is frozen, unlike that of the paper's T5.1.1.",
    "So the verdicts are on directions; the values hold for this start and so short a training.",
)
WORLD = (
    "A true claim names the value that its passage tells, so BM25 has the passages of nearly all "
    "true claims among the first two, and of less than half the false ones: that it is not there "
    "tells by itself that a claim is false. So a reader of two passages lacks nothing on verify.",
)
UNLIKE_PAPER = (
    "A fixed number of steps ({steps:,}), where the paper trains until it converges.",
    "BM25 retrieves, where the paper has GTR-Base; without the relevance filter of Hofstätter et "
    "al. (2022).",
    "The distillation goes in the direction of Atlas, KL(p_LM, p_rank), unless told; the paper "
    "prints KL(p_rank, p_LM).",
    "The paper scores the best dev checkpoint, this the last unless --best-checkpoint is given.",
)


def introduction(summary: dict[str, Any]) -> list[str]:
    scale = summary["scale"]
    decay = "constant" if scale["final_rate"] is None else f"cosine to {scale['final_rate']:.0%}"
    chosen = (
        "The checkpoint with the best score on the tasks trained on is taken, chosen on the "
        "questions it is scored on, as in the paper."
        if summary["best_checkpoint"]
        else "The last step is scored: no checkpoint was selected on these questions."
    )
    base, k, m = summary["baseline"], summary["num_passages"], summary["num_selected"]
    return [
        *data_lines(summary),
        "",
        f"Every model starts from `{scale['t5']}` and trains {scale['steps']:,} steps of "
        f"{scale['batch_size']} questions with Adafactor at {scale['learning_rate']:g} "
        f"({decay}), {scale.get('dtype') or 'float32'}. Seeds "
        f"{', '.join(map(str, summary['seeds']))}; {summary['backend']}; {summary['cells']} "
        f"trainings. {chosen}",
        "",
        f"The baseline: GLIMMER that reranks {k} passages to {m}, live proportion alpha "
        f"{base['live_proportion']:.3g}, rerank proportion beta {base['rerank_proportion']:.3g}, "
        f"dropout {base['dropout']:g}; distillation with weight lambda "
        f"{base['distillation_weight']:g}, temperature tau {base['distillation_temperature']:g}, "
        f"direction {base['distillation_direction']}.",
        "",
        f"Scores are points of 100: {metrics(scale)}. The paper's numbers are its KILT dev "
        "averages at T5 Large, of other data and sizes: compare directions, not values.",
        "",
        "## What to bear in mind",
        "",
        *(f"- {line.format(**scale)}" for line in reservations(scale)),
    ]


def reservations(scale: dict[str, Any]) -> tuple[str, ...]:
    if scale["name"] == "base":
        return UNLIKE_PAPER
    return PRETRAINED + WORLD if scale["world"] else READER


def metrics(scale: dict[str, Any]) -> str:
    if scale.get("accuracy", True):
        return (
            "accuracy for slot filling and verification, exact match for the rest, each task "
            "alike, as in KILT"
        )
    return "exact match by KILT's rules, each task alike, for the reader has no capitals"


def data_lines(summary: dict[str, Any]) -> list[str]:
    scale, data = summary["scale"], summary["data"]
    world = "A generated world" if scale["world"] else "Files"
    unseen = ", on entities that no training question is about" if scale["world"] else ""
    lines = [
        f"{world}: {data['passages']:,} passages ({data['cut']['passages']:,} cut to "
        f"{scale['passage_length']} tokens), tasks {', '.join(data['test'])}; "
        f"{sum(data['test'].values()):,} questions scored ({data['cut']['questions']} cut to "
        f"{scale['question_length']} tokens){unseen}. BM25 retrieves."
    ]
    if not any(data["retrieved_recall"].values()):
        return [*lines, "", "No scored question has evidence in the corpus, so recall is unknown."]
    # Not in the data.json of earlier versions.
    whole = data.get("all_evidence", {})
    lines += ["", "Of a question's evidence, the first passages of BM25 hold, in percent:", ""]
    tasks = [*data["test"], "average"]
    for title, by_depth in (("share of it", data["retrieved_recall"]), ("all of it", whole)):
        for depth, by_task in by_depth.items():
            shares = ", ".join(
                f"{task} {by_task[task]:.1f}" for task in tasks if by_task.get(task) is not None
            )
            lines.append(f"- {title}, {depth} passages: {shares}")
    return lines


def headline(summary: dict[str, Any]) -> list[str]:
    rows = {row["label"]: row for part in summary["comparisons"][:1] for row in part["rows"]}
    k, m = summary["num_passages"], summary["num_selected"]
    ours, all_of_them, few = (rows.get(x) for x in (f"GLIMMER {k}->{m}", f"FiD-{k}", f"LUMEN-{m}"))
    if not (ours and all_of_them and few and all(r["scores"] for r in (ours, all_of_them, few))):
        return []
    text = (
        f"**In short**: GLIMMER {k}->{m} scores {ours['mean']:.1f}, "
        f"{ours['mean'] / max(all_of_them['mean'], 1e-9):.1%} of FiD-{k}'s "
        f"{all_of_them['mean']:.1f}, and {ours['mean'] - few['mean']:+.1f} points against "
        f"LUMEN-{m}'s {few['mean']:.1f}. "
    )
    if recall := ours.get("recall"):
        text += (
            f"Recall@{m} of gold passages is {recall['retrieved']['mean']:.1f} % as BM25 has them "
            f"and {recall['reranked']['mean']:.1f} % after reranking; no passage was labelled in "
            "these trainings."
        )
    return [text]
