"""python -m recipes.pretraining.dense --data DIR --output runs/dense

Trains a small encoder of questions and passages from nothing, in GTR's form, on a folder in the
shape of KILT (corpus.jsonl, <task>-train.jsonl, <task>-dev.jsonl), and compares it with BM25: in
how many dev questions is the evidence among the first 1, 5 and 25 passages? It also tells what an
approximate index finds of what the exact search finds, and how long both take (extra `faiss`).

A batch is half training questions with a passage of their evidence and half pieces of passages
with the passage that they are from; the other passages of the batch are wrong. Pieces are of all
passages, those of the dev questions among them; dev questions are not looked at. --output keeps the
encoder as a preset, the vectors, and report.json; stopped, the same command goes on. The values
below take ten minutes on 2 cores. Without --layers the encoder has none: a vector is the mean of a
text's word embeddings, which is what can be learned in that time. Published encoders are loaded by
`TextEmbedder.from_hugging_face`.
"""

import json
import sys
import time
from pathlib import Path

import keras
import keras_hub
from rich.console import Console

from glimmer_keras.data import read_folder
from glimmer_keras.models import T5Encoder, TextEmbedder
from glimmer_keras.pipelines import bm25_index, dense_index
from glimmer_keras.training import RunConfig, TrainingRun
from glimmer_keras.utils.files import write_file
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.dense_batches import PASSAGE_LENGTH, PairBatches
from recipes.pretraining.dense_report import compare_indexes, recall_of, recall_table
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.settings import check_settings

DIM, LAYERS, VOCABULARY = 256, 0, 8000
STEPS, BATCH_SIZE, RATE, TEMPERATURE = 1500, 256, 1e-3, 0.05
STEPS_SHOWN = 50


@exit_code
def main(argv=None):
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--data", type=Path, required=True, help="folder with passages and tasks")
    parser.add_argument("--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--layers", type=int, default=LAYERS, help="of the T5 encoder; 0: a bag")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="at least 2")
    parser.add_argument("--vocabulary-size", type=int, default=VOCABULARY)
    args = parser.parse_args(argv)
    corpus, train, dev = read_folder(args.data)
    data = [corpus.fingerprint, *(task.fingerprint for task in train)]
    names = ("layers", "steps", "batch_size", "vocabulary_size")
    settings = {name: vars(args)[name] for name in names} | {"data": data}
    kept = args.output / "training.json"
    if not kept.is_file():
        training = train_embedder(corpus, train, args, settings)
        write_file(kept, json.dumps({"settings": settings, **training}, indent=1))
    training = json.loads(kept.read_text())
    check_settings(kept, training["settings"], settings)

    embedder = TextEmbedder.from_preset(str(args.output / "preset"))
    start = time.perf_counter()
    dense = dense_index(corpus, embedder, args.output / "vectors")
    embedding_seconds = time.perf_counter() - start
    retrievers = {"BM25": bm25_index(corpus), "dense": dense}
    recall = {name: recall_of(each, corpus, dev) for name, each in retrievers.items()}
    questions = [example.question for task in dev for example in task]
    report = {
        "backend": keras.backend.backend(),
        "passages": len(corpus),
        "training": training,
        "embedding_seconds": embedding_seconds,
        "recall": recall,
        "indexes": compare_indexes(dense, questions),
    }
    write_file(args.output / "report.json", json.dumps(report, indent=1))
    Console().print(recall_table(recall))
    print(json.dumps(report["indexes"], indent=1))


def train_embedder(corpus, tasks, args, settings):
    """Write a preset to `--output`; gives what there is to tell of the training."""
    keras.utils.set_random_seed(0)
    texts = [passage.content for passage in corpus]
    tokenizer = train_tokenizer(
        texts, args.vocabulary_size, input_sentence_size=8000, shuffle_input_sentence=True
    )
    encoder = T5Encoder(tokenizer.vocabulary_size(), args.layers, 4, DIM, 2 * DIM, DIM // 4)
    preprocessor = keras_hub.models.T5Preprocessor(tokenizer, 2 * PASSAGE_LENGTH)
    embedder = TextEmbedder(encoder, preprocessor)
    examples = [(e.question, corpus.evidence_rows(e)) for task in tasks for e in task]
    pairs = [(question, min(sets[0])) for question, sets in examples if sets]
    questions, rows = tokenizer([question for question, _ in pairs]), [row for _, row in pairs]
    model = dual_encoder(embedder)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, args.steps, warmup_target=RATE, warmup_steps=args.steps // 20
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    batches = PairBatches(questions, rows, tokenizer(texts), args.batch_size)
    run = TrainingRun(
        model,
        batches.start_at,
        args.output,
        steps=args.steps,
        run=RunConfig(log_every=STEPS_SHOWN, save_every=STEPS_SHOWN),
        data=settings,
    )
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)
    embedder.save_to_preset(str(args.output / "preset"))
    parameters = embedder.count_params()
    return {"pairs": len(pairs), "parameters": parameters, "history": run.history()}


def dual_encoder(embedder):
    """Similarity `(batch, batch)` of each question to each passage, over the temperature."""
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name) for name in ("question", "passage")
    }
    question, passage = (
        embedder({"token_ids": ids, "padding_mask": keras.ops.not_equal(ids, 0)})
        for ids in inputs.values()
    )
    return keras.Model(
        inputs, keras.ops.matmul(question, keras.ops.transpose(passage)) / TEMPERATURE
    )


if __name__ == "__main__":
    sys.exit(main())
