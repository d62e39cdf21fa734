import pytest

from recipes.pretraining import plan as module
from recipes.pretraining.reader import Sizes
from recipes.pretraining.stream import Shape
from recipes.pretraining.work import step_flops


def test_work_of_a_step_by_hand():
    sizes = Sizes(100, 128, 2, 256, (1, 1, 1), 1)
    shape = Shape(batch=3, question=4, passage=6, answer=2)
    block = 4 * 128 * 128 + 3 * 128 * 256
    encoder = 10 * (block + 2 * 10 * 128)
    keys_and_values = 10 * 2 * 128 * 128
    decoder = keys_and_values + 2 * (block + 2 * 128 * 128 + 2 * (2 + 10) * 128) + 2 * 128 * 100
    assert step_flops(sizes, shape, 3) == 6 * 3 * (3 * encoder + decoder)
    assert step_flops(sizes, shape, 1) == 6 * 3 * (encoder + decoder)


def test_parameters_are_those_of_a_reader(make_glimmer):
    reader = make_glimmer(
        4, 4, 4, num_selected=None, vocabulary_size=8192, hidden_dim=128, num_heads=2,
        key_value_dim=64, intermediate_dim=64, num_layers=3, num_decoder_layers=2,
        tie_embedding_weights=True,
    )  # fmt: skip
    sizes = Sizes(8192, 128, 2, 64, (1, 1, 1), 2)
    assert reader.backbone.count_params() == pytest.approx(sizes.parameters, rel=3e-3)


def test_twice_the_time_sees_twice_as_much():
    sizes = Sizes(8192)
    one, two = module.plan(sizes, 1e15), module.plan(sizes, 2e15)
    assert two.examples == pytest.approx(2 * one.examples)
    assert 48 < one.tokens / one.examples < 192


def test_more_hours_are_for_larger_sizes(capsys):
    def advised(*options):
        assert module.main(["--words", "24e6", *options]) == 0
        return capsys.readouterr().out.splitlines()[-1]

    assert "--width 256 --heads 4 --intermediate 768 --layers 4 2 1" in advised("--hours", "4")
    assert "--width 384" in advised("--hours", "16")
    assert advised("--hours", "0.01") == "None of these: more hours, or more text."
    # What is not read too often is what is advised.
    assert "--width 384" not in advised("--hours", "16", "--words", "1e6")


def test_bad_options(capsys):
    assert module.main(["--words", "0"]) == 2
    assert "`--words` must be over 0. Received: 0.0" in capsys.readouterr().err
