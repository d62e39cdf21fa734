import csv
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.evaluation import EvaluateByGeneration, evaluate, evaluate_by_generation
from glimmer_keras.evaluation.best_preset import BestPreset

# As small as can be: compiling the step of a scorer would take most of the time.
SIZES = {"num_layers": 1, "num_decoder_layers": 1, "num_heads": 1}
SIZES |= {"hidden_dim": 8, "intermediate_dim": 8, "key_value_dim": 4}
CORPUS = data.Corpus([data.Passage("0", "", "Torvik"), data.Passage("1", "", "harp")])
ASKED = {
    "qa": [("Where does she live?", "Torvik"), ("What does she play?", "harp")],
    "slots": [("Voss [SEP] home", "Torvik")],
}
TASKS = [
    data.Task(
        name,
        [data.Example(f"{name}{n}", name, q, (a,)) for n, (q, a) in enumerate(asked)],
        np.array([[0, 1]] * len(asked), "int32"),
    )
    for name, asked in ASKED.items()
]


@pytest.fixture(scope="module")
def run(make_glimmer, tmp_path_factory):
    """What is left of a `fit` of two epochs, and how often `generate` was traced in it."""
    folder = tmp_path_factory.mktemp("run")
    preprocessor = make_glimmer(8, 8, 4, 2).preprocessor
    vocabulary_size = preprocessor.tokenizer.vocabulary_size()
    glimmer = gk.Glimmer.from_size(
        "tiny", "fid", preprocessor, vocabulary_size=vocabulary_size, **SIZES
    )
    glimmer.compile(keras.optimizers.Adam(0.1))
    tokens = pipelines.tokenize(TASKS, CORPUS, glimmer.preprocessor)
    step, traces = glimmer.generate_step, []

    def traced(*arguments):
        traces.append(arguments)
        return step(*arguments)

    glimmer.generate_step = traced
    callbacks = [
        EvaluateByGeneration(TASKS, CORPUS, *tokens, best=folder / "best", batch_size=2),
        keras.callbacks.EarlyStopping("val_average", mode="max", patience=9),
        keras.callbacks.CSVLogger(folder / "log.csv"),
    ]
    batches = data.mixture(*tokens, batch_size=3)
    fit = glimmer.fit(batches, epochs=2, steps_per_epoch=10, callbacks=callbacks, verbose=0)
    return SimpleNamespace(
        glimmer=glimmer,
        tokens=tokens,
        folder=folder,
        history=fit.history,
        traces=len(traces),
        evaluated=callbacks[0],
    )


def test_the_logs_are_what_evaluate_gives(run):
    table, _ = evaluate(run.glimmer, TASKS, CORPUS, *run.tokens, batch_size=2, progress=False)
    last = {name: values[-1] for name, values in run.history.items()}
    for task in ("qa", "slots"):
        assert table[task] == {name: last[f"val_{task}_{name}"] for name in table[task]}
    average = (last["val_qa_exact_match"] + last["val_slots_exact_match"]) / 2
    assert last["val_average"] == table["average"]["exact_match"] == average
    assert average >= 0.25  # It has learned to say what it was told most often.
    with (run.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_average"]) for row in rows] == run.history["val_average"]


def test_the_table_is_of_the_model_as_it_is(run):
    table = run.evaluated.table
    assert table["average"]["exact_match"] == run.history["val_average"][-1]
    run.evaluated.on_train_batch_end(0)
    assert run.evaluated.table is None


def test_generation_is_compiled_once(run):
    assert run.traces == 1


def test_the_best_is_a_preset(run):
    record = BestPreset(run.folder / "best").record()
    assert record["average"] == max(run.history["val_average"])
    assert record["epoch"] == int(np.argmax(run.history["val_average"]))
    glimmer = gk.Glimmer.from_preset(str(run.folder / "best"))
    table, _ = evaluate(glimmer, TASKS, CORPUS, *run.tokens, batch_size=2, progress=False)
    assert table == record["scores"]


class Tokens(list):
    """Stands for a tokenised task."""

    def __init__(self, task):
        super().__init__(task)
        self.name, self.retrieved = task.name, task.retrieved


TOKENS = [Tokens(task) for task in TASKS]


class Model:
    """Saves nothing; at a step."""

    variables = ()

    def __init__(self, step):
        self.optimizer = SimpleNamespace(iterations=keras.ops.array(step))

    def save_to_preset(self, path):
        Path(path).mkdir(exist_ok=True)


@pytest.fixture
def epochs(monkeypatch):
    """Lets a callback evaluate the epochs of a model at a step to given scores; gives the logs."""

    def go(callback, step, *scores):
        left = [{"qa": qa, "slots": slots, "average": {}} for qa, slots in scores]
        monkeypatch.setattr(evaluate_by_generation, "evaluate", lambda *_: (left.pop(0), None))
        callback.set_model(Model(step))
        callback.on_train_begin()
        logs = [{"loss": 1.0} for _ in scores]
        for epoch, log in enumerate(logs):
            callback.on_epoch_end(epoch, log)
        return logs

    return go


def both(qa, slots):
    return {"exact_match": qa, "f1": 1.0}, {"exact_match": slots, "f1": 0.0}


def test_the_greatest_average_is_kept(tmp_path, epochs):
    callback = EvaluateByGeneration(TASKS, CORPUS, TOKENS, None, best=tmp_path / "best")
    logs = epochs(callback, 0, both(0.25, 0.25), both(0.5, 0.75), both(0.75, 0.25))
    assert [log["val_average"] for log in logs] == [0.25, 0.625, 0.5]
    assert logs[1]["val_slots_exact_match"] == 0.75
    assert logs[1]["loss"] == 1.0
    record = BestPreset(tmp_path / "best").record()
    assert (record["epoch"], record["average"], callback.best_average) == (1, 0.625, 0.625)
    assert record["scores"]["slots"] == {"exact_match": 0.75, "f1": 0.0}


def test_each_task_by_its_own_metric(epochs):
    metric = {"qa": "f1", "slots": "exact_match"}
    callback = EvaluateByGeneration(TASKS, CORPUS, TOKENS, None, metric)
    assert epochs(callback, 0, both(0.0, 0.5))[0]["val_average"] == (1.0 + 0.5) / 2


def test_every_second_epoch(epochs):
    callback = EvaluateByGeneration(TASKS, CORPUS, TOKENS, None, every=2)
    logs = epochs(callback, 0, both(0.5, 0.5), both(0.75, 0.75), both(1, 1))
    assert ["val_average" in log for log in logs] == [False, True, False]
    assert logs[1]["val_average"] == 0.5  # the first that was asked for


@pytest.mark.parametrize(
    ("batches", "stopped", "evaluated"), [(2, True, False), (2, False, True), (3, True, True)]
)
def test_an_epoch_that_was_stopped(epochs, monkeypatch, batches, stopped, evaluated):
    monkeypatch.setattr(Model, "stop_training", stopped, raising=False)
    callback = EvaluateByGeneration(TASKS, CORPUS, TOKENS, None)
    callback.set_params({"steps": 3})
    callback.on_epoch_begin(0)
    for batch in range(batches):
        callback.on_train_batch_end(batch)
    assert ("val_average" in epochs(callback, 0, both(0.5, 0.5))[0]) is evaluated


def test_a_restored_run_goes_on_from_its_best(tmp_path, epochs):
    def callback(tasks=TASKS, metric="exact_match"):
        tokens = [Tokens(task) for task in tasks]
        return EvaluateByGeneration(tasks, CORPUS, tokens, None, metric, best=tmp_path / "best")

    epochs(callback(), 0, both(0.5, 0.5))
    epochs(callback(), 7, both(0.25, 0.25))
    assert BestPreset(tmp_path / "best").record()["average"] == 0.5
    with pytest.raises(ValueError, match=r"an average of 0\.5000 in .* the model is at step 0"):
        epochs(callback(), 0)
    with pytest.raises(ValueError, match="`best` must be of the same `metric`: .*'exact_match'"):
        epochs(callback(metric="f1"), 7)
    with pytest.raises(ValueError, match="`best` must be of the same `tasks`"):
        epochs(callback([TASKS[0].take(1), TASKS[1]]), 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be at least 1. Received: every=0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"metric": "bleu"}, "`metric` must be one of exact_match, .* Received: metric='bleu'"),
        ({"metric": {"qa": "f1"}}, "`metric` must be one of .* for each of qa, slots"),
        ({"tasks": []}, "`tasks` must be at least one"),
        ({"tasks": [TASKS[0]] * 2}, r"of different names.*\['qa', 'qa'\]"),
        ({"tokenized_tasks": TOKENS[::-1]}, r"`tokenized_tasks` must be \[\('qa', 2\), "),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"tasks": TASKS, "corpus": CORPUS, "tokenized_tasks": TOKENS, "tokenized_corpus": None}
    with pytest.raises(ValueError, match=message):
        EvaluateByGeneration(**{**given, **arguments})


def test_tasks_that_cannot_be_scored():
    bare = data.Task("qa", list(TASKS[0]))
    with pytest.raises(ValueError, match="`retrieved` must be set. Received: None in task 'qa'"):
        EvaluateByGeneration([bare], CORPUS, [Tokens(bare)], None)
    open_ = data.Task("qa", [data.Example("a", "qa", "q")], np.zeros((1, 1), "int32"))
    with pytest.raises(ValueError, match="answer to every question. Received: none to 1 of 1"):
        EvaluateByGeneration([open_], CORPUS, [Tokens(open_)], None)
