"""python -m recipes.pretraining.tiny_world --output runs/tiny_world

Makes `tiny_world`, the tiny T5 that comes with the package, for recipes and tests that need a
reader on a laptop. It learns to read English sentences of generated worlds, other ones than the
demonstration's: it answers questions, fills slots, checks claims, compares years, recites what a
passage tells of somebody, and says "nothing" where a passage does not tell.

First it reads one passage, as Fusion-in-Decoder with k = 1, and recites, which teaches it to find
and copy; then it answers and says where nothing is told, a quarter of its wrong passages telling
what is asked of somebody with half of the name; then it reads two passages and puts years in
order; then mostly claims, in larger batches and at a lower rate, as it learns to check them in no
other way; then two passages again; then both once more as LUMEN, with the first layer as memory;
then it is a GLIMMER that reads two of four and two of eight, distilling what helps it to answer
into its reranking layers, mostly on claims and years, and at last with more passages that do not
tell what is asked. Where no evidence is among the two, it learns to guess, and its guesses teach
ranking nothing; so some of these questions have no more than two passages, and some have one
alone, right or wrong. The run's own figures are in the report.json beside the preset.
"""

import itertools
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.retrieval import BM25Retriever
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.phases import Course, check_options, pretrain, shortened
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.worlds.fictional_world import World, make_world, training_text

UNTOLD = "nothing"
TASKS = ("qa", "slots", "verify", "compare", "recite", "pairs", "told", "untold")
WORLD_SEEDS = (1001, 1002, 1003, 1004)
ONE = {"num_passages": 1, "batch_size": 64, "answer_length": 8, "learning_rate": 3e-2}
ONE |= {"reader": "fid"}
TWO = ONE | {"num_passages": 2, "batch_size": 32}
EIGHT = ONE | {"num_passages": 8, "batch_size": 32, "learning_rate": 1e-2, "reader": "glimmer"}
SPLIT = {"learning_rate": 1e-2, "reader": "lumen"}
RECITED = {"qa": 1.0, "slots": 1.0, "verify": 2.0, "recite": 2.0}
SINGLE = {"qa": 1.0, "slots": 1.0, "verify": 3.0, "untold": 2.0}
PAIRED = {"qa": 1.0, "slots": 1.0, "verify": 2.0, "compare": 3.0, "untold": 1.0}
CHECKED = {"qa": 1.0, "slots": 1.0, "verify": 6.0, "untold": 1.0}
RANKED = {"qa": 1.0, "slots": 1.0, "verify": 1.5, "compare": 1.0}
RANKED |= {"pairs": 3.0, "told": 0.25, "untold": 0.75}
HARDER = {"qa": 1.0, "slots": 1.0, "verify": 3.0, "compare": 3.0, "pairs": 1.5, "untold": 0.5}
DISTINCT = {"qa": 1.0, "slots": 1.0, "verify": 2.0, "compare": 2.5, "pairs": 1.5}
DISTINCT |= {"told": 0.5, "untold": 2.0}
PHASES = (
    ONE | {"steps": 1000, "learning_rate": 5e-2, "answer_length": 28, "tasks": RECITED},
    ONE | {"steps": 5000, "tasks": SINGLE},
    TWO | {"steps": 3000, "tasks": PAIRED},
    ONE | {"steps": 2000, "batch_size": 128, "learning_rate": 1e-2, "tasks": CHECKED},
    TWO | {"steps": 1500, "learning_rate": 1e-2, "tasks": PAIRED},
    ONE | SPLIT | {"steps": 2000, "tasks": SINGLE},
    TWO | SPLIT | {"steps": 1000, "tasks": PAIRED},
    EIGHT | {"num_passages": 4, "steps": 4000, "tasks": RANKED},
    EIGHT | {"steps": 3000, "tasks": RANKED},
    EIGHT | {"steps": 4000, "tasks": HARDER},
    EIGHT | {"steps": 4000, "tasks": DISTINCT},
)
SIZES = {"num_layers": 4, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128}
LENGTHS = {"question_length": 16, "passage_length": 64}
VOCABULARY_SIZE = 1000
NUM_PASSAGES = 8
SEED = 1


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--output", type=Path, required=True, help="preset folder to write")
    parser.add_argument("--shorten", type=int, default=1, help="take 1/N of the steps, to try")
    parser.add_argument("--people", type=int, default=1000, help="people in each world")
    args = parser.parse_args(argv)
    check_options(args.output, args.shorten)
    worlds = [make_world(seed, people=args.people, works=400) for seed in WORLD_SEEDS]
    lines = itertools.chain.from_iterable(map(training_text, worlds))
    tokenizer = train_tokenizer(lines, VOCABULARY_SIZE, symbols=[UNTOLD])
    corpus, tasks = reading_tasks(worlds)
    keras.utils.set_random_seed(SEED)
    pretrain(
        "python -m recipes.pretraining.tiny_world",
        args.output,
        new_reader(tokenizer.vocabulary_size()),
        Course(tokenizer, corpus, tasks, shortened(PHASES, args.shorten), LENGTHS, SEED),
        world_seeds=WORLD_SEEDS,
    )


def new_reader(vocabulary_size: int) -> gk.Glimmer:
    """Fresh weights, with sharper position biases than T5's: of a few layers each has to serve."""
    return gk.Glimmer.from_size(
        "tiny",
        "fid",
        vocabulary_size=vocabulary_size,
        activation="gelu",
        dropout=0.0,
        tie_embedding_weights=True,
        position_bias_stddev=2.0,
        **SIZES,
    )


def reading_tasks(worlds: list[World]) -> tuple[Corpus, list[Task]]:
    """One corpus of all worlds, and tasks: gold passages first, then wrong ones.

    Examples of `pairs` have two passages, what they need among them; those of `told` have the
    gold passage alone, those of `untold` a wrong one.
    """
    passages: list[Passage] = []
    examples: dict[str, list[Example]] = {name: [] for name in TASKS}
    rows: dict[str, list[list[int]]] = {name: [] for name in TASKS}

    def add(name, example, passage_rows):
        examples[name].append(example)
        rows[name].append((passage_rows + [-1] * NUM_PASSAGES)[:NUM_PASSAGES])

    rng = random.Random(SEED)
    for number, world in enumerate(worlds):
        first = len(passages)
        passages += [Passage(f"{number}-{p['id']}", p["title"], p["text"]) for p in world.passages]
        for row, passage in enumerate(passages[first:], first):
            facts = world.facts[world.passages[row - first]["id"]]
            for subject in sorted({fact[0] for fact in facts}):
                add("recite", recital(passage, subject, facts), [row])
        places = {passage["id"]: first + row for row, passage in enumerate(world.passages)}
        questions = [row for splits in world.tasks.values() for row in splits["train"]]
        texts = [question["input"] for question in questions]
        retrieved, _ = BM25Retriever.build(passages[first:]).search(texts, 2 * NUM_PASSAGES)
        confusable = Confusable(world, places)
        for question, candidates in zip(questions, retrieved, strict=True):
            provenance = [p for output in question["output"] for p in output["provenance"]]
            gold = [places[p["passage_id"]] for p in provenance]
            wrong = confusable.sample(rng, question, gold, 2)
            found = [first + int(row) for row in candidates if row >= 0]
            likely = [row for row in found if row not in (*gold, *wrong)]
            missing = NUM_PASSAGES - len(gold) - len(wrong)
            while len(likely) < missing:
                if (row := rng.randrange(first, len(passages))) not in (*gold, *wrong, *likely):
                    likely.append(row)
            wrong += rng.sample(likely, missing)
            rng.shuffle(wrong)
            answers = tuple(output["answer"] for output in question["output"])
            name, text = question["task"], question["input"]
            identifier = f"{number}-{question['id']}"
            add(name, Example(identifier, name, text, answers), gold + wrong)
            add("pairs", Example(identifier, "pairs", text, answers), (gold + wrong)[:2])
            if len(gold) == 1:
                add("told", Example(identifier, "told", text, answers), gold)
                untold = Example(identifier, "untold", text, (UNTOLD,))
                add("untold", untold, wrong[:1])
    tasks = [
        Task(name, examples[name]).with_retrieved(np.array(rows[name], "int32")) for name in TASKS
    ]
    return Corpus(passages), tasks


class Confusable:
    """Passages that tell what is asked for, but of somebody whose name shares a word."""

    def __init__(self, world: World, places: dict[str, int]):
        self.asked: dict[int, list[tuple[str, str]]] = {}
        self.rows: dict[tuple[str, str], list[int]] = {}
        for passage, facts in world.facts.items():
            self.asked[places[passage]] = [(subject, relation) for subject, relation, _ in facts]
            for subject, relation, _ in facts:
                for word in subject.split():
                    self.rows.setdefault((word, relation), []).append(places[passage])

    def sample(self, rng: random.Random, question: dict, gold: list[int], count: int) -> list[int]:
        # Of all that the gold passage tells, what is asked for is what the question's subject has.
        asked = [pair for pair in self.asked[gold[0]] if pair[0] in question["input"]]
        keys = [(word, what) for name, what in asked for word in name.split() if word != "The"]
        rows = {rng.choice(self.rows[rng.choice(keys)]) for _ in range(2 * count)} - set(gold)
        return rng.sample(sorted(rows), min(count, len(rows)))


def recital(passage: Passage, subject: str, facts: list[tuple[str, str, str]]) -> Example:
    """What a passage tells of one subject, in any order: one of them is drawn each epoch."""
    clauses = [f"{relation} {value}" for about, relation, value in facts if about == subject]
    answers = tuple(" ; ".join(order) for order in itertools.permutations(clauses))
    return Example(f"{passage.id} {subject}", "recite", f"Recite {subject}", answers)


if __name__ == "__main__":
    sys.exit(main())
