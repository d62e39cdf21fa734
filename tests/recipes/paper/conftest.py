import dataclasses

import pytest

from recipes.paper.comparisons import comparisons
from recipes.paper.scale import TINY


@pytest.fixture(scope="session")
def micro_scale(micro_t5):
    """A world of 60 entities, and a T5 of two layers."""
    return dataclasses.replace(
        TINY,
        t5=micro_t5,
        world={"seed": 0, "people": 40, "places": 10, "works": 10},
        test_questions=3,
        batch_size=2,
        steps=2,
        answer_length=3,
        num_passages=3,
        num_selected=1,
        live_proportion=1 / 2,
        figure3_passages=(3,),
        figure5_passages=3,
    )


@pytest.fixture
def made_up_times():
    """A function from a scale to times as `measured_times` has them."""

    def make(scale):
        cells = [row.label for row in comparisons(scale)[0].rows]

        def times(ms):
            rounds = [ms / 1000] * 10
            return {"rounds": rounds, "min": rounds[0], "median": rounds[0], "max": rounds[0]}

        seconds = {label: times(10 - number) for number, label in enumerate(cells)}
        return {
            "settings": {"rounds": 10},
            "machine": {"cpu": "abacus", "cores": 2, "devices": ["cpu"], "load_before": 0.0},
            "seconds": {"1": seconds},
            "work": {
                label: {"exact": 2e6, "formula": 2e6 if label.startswith("GLIMMER") else 1e6}
                for label in cells
            },
        }

    return make
