"""python -m recipes.pretraining.passages --data DIR --output runs/small_t5

Makes a small T5 of your own from the passages of a folder in the shape of KILT (corpus.jsonl),
where no pretrained T5 can be had. No question and no answer of the folder is read: sentences of
the passages are turned into clozes whose answers are names and numbers in them (salient spans,
Guu et al. 2020, "REALM"), into questions (a word like `who` and the rest of the cloze, Lewis et
al. 2019, "Unsupervised Question Answering by Cloze Translation"), into `title [SEP] words` slots,
and into claims, false ones with another name or number in place of the right one. Words are left
out at random, so that a passage has to be read rather than looked up.

It starts from the layers of `tiny_world`, which find and copy already, with embeddings for a
vocabulary of its own. First it learns to use them by reciting: four words of a passage, and it goes
on with the ones that follow. Then it reads the passage a sentence is from, as Fusion-in-Decoder,
first without and then with questions, and as LUMEN; then it is a GLIMMER that reads two of eight
that BM25 finds, and its own reader teaches it to rank.

The preset is for the setting model.t5 of `glimmer train` and recipes.paper --scale small --t5.
"""

import itertools
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import keras_hub
import numpy as np

from glimmer_keras.data import Corpus, Example, Task, read_corpus
from glimmer_keras.models.presets import preset_path
from glimmer_keras.models.t5_weights import quiet_masks
from glimmer_keras.retrieval import BM25Retriever
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.clozes import made_of, recited, spans
from recipes.pretraining.phases import Course, check_options, pretrain, shortened
from recipes.pretraining.starts import t5_of_other_words
from recipes.pretraining.tokenizer import train_tokenizer

START = "tiny_world"
TASKS = ("cloze", "slots", "claims", "recite", "questions")
SPANS_A_PASSAGE = 2
LENGTHS = {"question_length": 32, "passage_length": 128}
VOCABULARY_SIZE = 8000
NUM_PASSAGES = 8
EVEN = {"cloze": 2.0, "slots": 1.0, "claims": 1.0}
ASKED = {"questions": 3.0, "slots": 1.0, "claims": 1.0}
ONE = {"num_passages": 1, "batch_size": 32, "answer_length": 16, "tasks": EVEN}
RECITING = {"answer_length": 28, "tasks": {"cloze": 1.0, "recite": 3.0}}
ASKING = ONE | {"learning_rate": 1e-2, "tasks": ASKED}
EIGHT = ASKING | {"num_passages": NUM_PASSAGES, "batch_size": 8}
PHASES = (
    ONE | RECITING | {"reader": "fid", "steps": 800, "learning_rate": 2e-2},
    ONE | {"reader": "fid", "steps": 2000, "learning_rate": 2e-2},
    ASKING | {"reader": "fid", "steps": 500},
    ASKING | {"reader": "lumen", "steps": 400},
    EIGHT | {"reader": "glimmer", "steps": 500},
)
SEED = 1


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--data", type=Path, required=True, help="folder with corpus.jsonl")
    parser.add_argument("--output", type=Path, required=True, help="preset folder to write")
    parser.add_argument("--shorten", type=int, default=1, help="take 1/N of the steps, to try")
    parser.add_argument("--vocabulary-size", type=int, default=VOCABULARY_SIZE)
    args = parser.parse_args(argv)
    check_options(args.output, args.shorten)
    corpus = read_corpus(args.data / "corpus.jsonl")
    if not any(True for passage in corpus for _ in spans(passage)):
        raise ValueError(
            "`--data` must hold passages with names or numbers within sentences. "
            f"Received: {args.data}"
        )
    tasks = reading_tasks(corpus)
    print(*tasks, sep="\n")
    # A question has the words of its cloze.
    texts = (example.question for task in tasks if task.name != "questions" for example in task)
    lines = itertools.chain((passage.content for passage in corpus), texts)
    tokenizer = train_tokenizer(lines, args.vocabulary_size, input_sentence_size=1_000_000)
    start = preset_path(START)
    with quiet_masks():
        layers = keras_hub.models.T5Backbone.from_preset(start)
    known = keras_hub.models.T5Tokenizer.from_preset(start)
    pretrain(
        f"python -m recipes.pretraining.passages --data {args.data}",
        args.output,
        t5_of_other_words(layers, known, tokenizer, SEED),
        Course(tokenizer, corpus, tasks, shortened(PHASES, args.shorten), LENGTHS, SEED),
        start=START,
        passages=len(corpus),
        examples={task.name: len(task) for task in tasks},
    )


def reading_tasks(corpus: Corpus) -> list[Task]:
    """Tasks made of the passages, each row its own passage first and then what BM25 finds.

    Passages without titles give no slots, short ones nothing to recite: such a task is left out.
    """
    rng = random.Random(SEED)
    examples: dict[str, list[Example]] = {name: [] for name in TASKS}
    own: dict[str, list[int]] = {name: [] for name in TASKS}
    others = [span.group() for passage in corpus for _, span in spans(passage)]
    for row, passage in enumerate(corpus):
        candidates = list(spans(passage))
        for number, (sentence, span) in enumerate(
            rng.sample(candidates, min(SPANS_A_PASSAGE, len(candidates)))
        ):
            for name, question, answer in made_of(rng, passage, sentence, span, others):
                examples[name].append(Example(f"{passage.id}-{number}", name, question, (answer,)))
                own[name].append(row)
        for number, (question, answer) in enumerate(
            recited(rng, passage, LENGTHS["passage_length"] // 2)
        ):
            examples["recite"].append(
                Example(f"{passage.id}-{number}", "recite", question, (answer,))
            )
            own["recite"].append(row)
    retriever = BM25Retriever.build(corpus)
    tasks = []
    for name in filter(examples.get, TASKS):
        rows = np.array(own[name], "int32")[:, None]
        if name == "recite":  # From its own passage alone.
            rows = np.pad(rows, ((0, 0), (0, NUM_PASSAGES - 1)), constant_values=-1)
        else:
            questions = [example.question for example in examples[name]]
            rows = own_first(rows, retriever.search(questions, NUM_PASSAGES)[0])
        tasks.append(Task(name, examples[name]).with_retrieved(rows))
    return tasks


def own_first(own: np.ndarray, retrieved: np.ndarray) -> np.ndarray:
    """Rows of as many passages as `retrieved`, `own` before the best of the others."""
    others = np.argsort(retrieved == own, axis=1, kind="stable")
    return np.hstack([own, np.take_along_axis(retrieved, others, axis=1)[:, :-1]]).astype("int32")


if __name__ == "__main__":
    sys.exit(main())
