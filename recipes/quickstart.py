"""python recipes/quickstart.py [FOLDER]

Reads a folder of .txt and .md files, by default sixty short passages on real subjects that come
with the recipes; encodes them to a memory store, once; and answers a dozen questions from it with
`wikipedia_small`, a small GLIMMER that learned English on two cores. Nothing is trained. Each
answer comes with the passages that were read, and what reranking changed: BM25 finds eight, and
the reader's first layers pick two of them. Of a FOLDER of your own it makes the questions itself,
sentences with a name or a number left out. A minute on 2 cores, with TensorFlow or JAX;
`glimmer ask FOLDER` waits for questions of yours.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # It is run by its path, and Python looks beside it.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __import__("recipes")

from rich.console import Console

import glimmer_keras as gk
from glimmer_keras.data import Corpus, read_texts
from glimmer_keras.metrics import exact_match
from glimmer_keras.pipelines import bm25_index, encode_corpus
from recipes.pretraining.spans import SENTENCE, SPAN

LIBRARY = Path(__file__).parent / "library"
PRESET = "wikipedia_small"
NUM_PASSAGES = 8
MADE = 12
# What is asked of the library; a claim is answered by SUPPORTS or REFUTES.
QUESTIONS = (
    ("who discovered penicillin", ("Alexander Fleming",)),
    ("where do the White Nile and the Blue Nile meet", ("Khartoum", "Khartoum in Sudan")),
    ("who designed the Sydney Opera House", ("Jørn Utzon",)),
    ("how many hearts does an octopus have", ("three",)),
    ("who painted Girl with a Pearl Earring", ("Johannes Vermeer",)),
    ("in what year was the Rosetta Stone found", ("1799",)),
    ("who invented dynamite", ("Alfred Nobel",)),
    ("what is the largest moon of Saturn", ("Titan",)),
    ("Which spacecraft visited Neptune in 1989?", ("Voyager 2",)),
    ("Fidelio [SEP] composer", ("Ludwig van Beethoven",)),
    ("The Matterhorn was first climbed in 1865.", ("SUPPORTS",)),
    ("The World Wide Web was invented by Alfred Nobel.", ("REFUTES",)),
)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=LIBRARY, metavar="FOLDER")
    parser.add_argument("--preset", default=PRESET, help="folder or name of a Glimmer preset")
    args = parser.parse_args(argv)
    console = Console()
    start = time.perf_counter()
    try:
        corpus = read_texts(args.folder)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    questions = QUESTIONS if args.folder == LIBRARY else made_questions(corpus, MADE)
    glimmer = gk.Glimmer.from_preset(args.preset)
    with tempfile.TemporaryDirectory() as temporary:
        store = encode_corpus(glimmer, corpus, Path(temporary) / "memory")
        size = store.info()["bytes"] / 2**20
        console.print(f"{len(corpus)} passages, encoded once: {size:.1f} MiB of {store.dtype}")
        most = max(glimmer.backbone.num_selected or 1, min(NUM_PASSAGES, len(corpus)))
        reader = gk.Reader(glimmer, store, bm25_index(corpus), num_passages=most)
        answers = reader.ask([question for question, _ in questions])
    right = changed = 0
    for answer, (_, expected) in zip(answers, questions, strict=True):
        right += exact_match(answer.text, expected) == 1
        changed += show(console, answer, expected)
    console.print(
        f"\n{right} of {len(questions)} right; in {changed} reranking read other passages than "
        f"BM25's first {len(answers[0].selected)}. {time.perf_counter() - start:.0f} s in all"
    )


def made_questions(corpus: Corpus, number: int) -> list[tuple[str, tuple[str, ...]]]:
    """Sentences of the corpus with a name or a number left out, drawn by one seed."""
    found = [
        (sentence[: span.start()] + "_" + sentence[span.end() :], (span.group(),))
        for passage in corpus
        for sentence in SENTENCE.split(passage.text)
        for span in SPAN.finditer(sentence)
        if span.start() > 0
    ]
    if not found:
        raise SystemExit("FOLDER must hold sentences with a name or a number in them")
    return random.Random(0).sample(found, min(number, len(found)))


def show(console: Console, answer: gk.Answer, expected: Sequence[str]) -> bool:
    """Print an answer; gives whether other passages were read than BM25's first."""

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    line(f"\n{answer.question}", "bold")
    line(f"  {answer.text}   (expected: {', '.join(expected)})")
    for passage in answer.selected:
        line(f"  {passage.score:6.2f}  BM25 rank {passage.retrieval_rank}  {passage.content}")
    passed = [p for p in answer.passages if p.retrieval_rank <= len(answer.selected)]
    passed = [p for p in passed if not p.selected]
    for passage in passed:
        line(f"  not read: BM25 rank {passage.retrieval_rank}  {passage.title}")
    return bool(passed)


if __name__ == "__main__":
    main()
