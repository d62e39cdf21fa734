import keras
import pytest

from recipes.benchmarks import startup
from recipes.benchmarks.parts import startup as parts

SIZE = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SIZE |= {"key_value_dim": 3, "num_decoder_layers": 1}
OPTIONS = ["--size", "tiny", "--questions", "40", "--k", "3", "--m", "2", "--passages", "8"]
OPTIONS += ["--question-length", "8", "--passage-length", "16", "--answer-length", "2"]
OPTIONS += ["--repeats", "1"]


pytestmark = pytest.mark.once_on("tensorflow")


@pytest.fixture(scope="module")
def report(run):
    with pytest.MonkeyPatch.context() as patch:
        # In this process, which is quicker.
        patch.setattr(startup, "run_part", lambda module, settings: parts.measure(settings))
        patch.setattr(startup, "run_python", lambda *arguments: [7.0, 0.2])
        return run(startup, OPTIONS, SIZE)


def test_loading_is_measured(report):
    load = report["load"]
    layer, decoder = 4 * 8 * 6 + 3 * 8 * 12 + 2 * 8, 8 * 8 * 6 + 3 * 8 * 12 + 3 * 8
    norms, tables, scorer = 2 * 8, 3 * 32 * 2, 8
    numbers = 2 * 32128 * 8 + 3 * layer + decoder + norms + tables
    weights = load["weights_megabytes"] * 2**20 / 4
    # The scorer has a norm and a vector, or so: its size is small beside the rest.
    assert numbers <= weights <= numbers + 4 * scorer
    assert load["peak_megabytes"] >= load["loaded_megabytes"]
    assert load["peak_over_weights"] == load["peak_megabytes"] / load["weights_megabytes"]
    assert load["first_answer_seconds"] > 0 < load["second_answer_seconds"]


def test_loading_from_hugging_face_is_measured(report):
    weights = report["load"]["weights_megabytes"]
    for dtype, share in (("float32", 1.0), ("bfloat16", 0.5)):
        load = report[f"load_{dtype}"]
        assert load["weights_megabytes"] == pytest.approx(share * weights)
        assert load["peak_megabytes"] >= load["loaded_megabytes"]
        assert load["peak_over_weights"] == load["peak_megabytes"] / load["weights_megabytes"]


def test_nothing_is_compiled_once_all_shapes_are_met(report):
    answer = report["answer"]
    # Passages of up to 16 tokens have one length; one question, or a batch.
    assert answer["shapes"] == 2
    assert answer["compilations"] == 0
    if keras.backend.backend() == "tensorflow":
        assert answer["compilations_warming_up"] == 2  # traces
    else:
        assert answer["compilations_warming_up"] >= 2
    assert answer["questions"] == 40
    early, last = answer["megabytes"]
    assert 8 <= early < last == 40
    growth = answer["megabytes"][40]["now"] - answer["megabytes"][early]["now"]
    assert answer["growth_megabytes"] == growth


def test_importing_tells_the_package_from_what_it_needs(monkeypatch):
    seconds = iter([[7.0, 0.5], [9.0, 0.1], [8.0, 0.2]])

    def run_python(flag, program):
        assert flag == "-c"
        compile(program, "imports", "exec")
        return next(seconds)

    monkeypatch.setattr(startup, "run_python", run_python)
    assert startup.importing(3) == {
        "keras_and_keras_hub": {"min": 7.0, "median": 8.0, "max": 9.0},
        "over_them": {"min": 0.1, "median": 0.2, "max": 0.5},
    }


def test_medians_of_rounds():
    assert startup.medians([{"a": 1.0}]) == {"a": 1.0}
    assert startup.medians([{"a": 1.0}, {"a": 5.0}, {"a": 2.0}]) == {
        "a": 2.0,
        "rounds": {"a": {"min": 1.0, "median": 2.0, "max": 5.0}},
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "4", "--m", "5"], "--k must be from --m to --passages"),
        (["--questions", "5"], "--questions must be 20 or more"),
    ],
)
def test_options_are_checked(options, message, capsys):
    with pytest.raises(SystemExit):
        startup.parse(options)
    assert message in capsys.readouterr().err
