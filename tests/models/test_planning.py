import pytest

from glimmer_keras.memory.manifest import RATIOS, Settings
from glimmer_keras.models import GlimmerBackbone, matrix_work
from glimmer_keras.models.planning import MACHINES, STORE_DTYPES, Reader, machine_hours
from glimmer_keras.models.sizes import size_arguments, system_arguments

LENGTHS = {"question": 8, "passage": 24, "answer": 6}


@pytest.mark.once_on("tensorflow")
@pytest.mark.parametrize(
    "settings",
    [
        {"num_selected": 2, "live_proportion": 1 / 2, "rerank_proportion": 1 / 2},
        {"num_selected": None, "live_proportion": 1 / 4, "num_decoder_layers": 2},
        {"num_selected": None, "live_proportion": 1.0, "question_in_decoder": False},
    ],
)
def test_it_is_the_work_of_a_model_that_is_built(settings):
    backbone = GlimmerBackbone.from_size("tiny", dropout=0.0, **settings)
    reader = Reader.of(backbone.get_config())
    work = matrix_work.answering_work(backbone, 5, *LENGTHS.values())
    built = sum(part.total for part in work.values())
    assert reader.answering(5, **LENGTHS) == pytest.approx(built)
    memory = matrix_work.encoder_work(backbone, backbone.layer_counts["memory"], 1, 30)
    assert reader.encoding(30) == pytest.approx(memory.total)


def test_stores_are_of_the_types_that_there_are():
    for dtype in STORE_DTYPES:
        assert Settings(64, 1, dtype).dtype == dtype
    assert len(STORE_DTYPES) == 2 + len(RATIOS)


def test_sizes_without_a_model():
    """By hand: 8 of 12 layers of 4 d^2 + 3 d 2048, and scores of 100 keys."""
    reader = Reader.of(system_arguments("glimmer", size_arguments("base")))
    layer = 4 * 768**2 + 3 * 768 * 2048 + 2 * 768 * 100
    assert reader.encoding(100) == pytest.approx(8 * 100 * layer)
    assert reader.token_bytes("int8") == 772
    assert reader.token_bytes("pq:16") == 96
    assert machine_hours(0.18e12, MACHINES["2 CPU cores"]) == pytest.approx(0.36 / 0.16 / 3600)
