from recipes.benchmarks.__main__ import SETTINGS
from recipes.benchmarks.figures import FIGURES


def test_every_benchmark_has_figures():
    assert FIGURES.keys() == SETTINGS.keys()


def test_figures_of_peers_and_scaling():
    system = {"encode": {"median": 1.2}, "limits": {"encode": 1.0}}
    peer = {"encode": {"median": 9.0}, "glimmer_faster": {1: {"measured": 8.0}}}
    case = {"size": "base", "batch": 1, "systems": {"glimmer 25->5": system, "hf fid 25": peer}}
    assert list(FIGURES["peers"]({"cases": [case]})) == [
        ("base, batch 1: glimmer 25->5, encoding / its limit", "1.20"),
        ("base, batch 1: hf fid 25 / GLIMMER from memory, 1 tokens", "8.00"),
    ]
    report = {"settings": {"size": "base"}, "slope_over_work": 1.01}
    report["off_line"] = {5: -0.021, 10: 0.01}
    assert list(FIGURES["scaling"](report)) == [
        ("base: slope in k / the matrix work's", "1.01"),
        ("base: times in k off a line at most", "2.1%"),
    ]


def test_figures_of_decoding_and_start_up():
    system = {"tokens_per_second": 12.34, "over_floor": 1.5}
    peer = {**system, "ours_faster": {"measured": 3.0}}
    case = {"size": "base", "batch": 16, "systems": {"ours": system, "hf": peer}}
    assert list(FIGURES["decoding"]({"cases": [case]})) == [
        ("base, batch 16: ours, tokens a second", "12.3, 1.50 times the floor"),
        (
            "base, batch 16: hf, tokens a second",
            "12.3, 1.50 times the floor, ours 3.00 times as fast",
        ),
    ]
    report = {
        "settings": {"size": "base", "asked_size": "tiny"},
        "import": {"over_them": {"median": 0.251}},
        "load": {"first_answer_seconds": 12.0, "peak_over_weights": 1.25},
        "answer": {"questions": 1000, "compilations": 0, "growth_megabytes": -0.5},
    }
    assert [value for _, value in FIGURES["startup"](report)] == [
        "0.25",
        "12.0",
        "1.25",
        "0",
        "-0.5",
    ]
