import dataclasses

import pytest

from recipes.benchmarks import precision


@dataclasses.dataclass
class Said:
    text: str


def test_agreement_by_hand():
    one = {"a": [Said("the harp"), Said("1863")], "b": [Said("yes"), Said("")]}
    other = {"a": [Said("the old harp"), Said("1863")], "b": [Said("no"), Said("")]}

    def tokenize(text):
        return [len(word) for word in text.split()]

    # Of "the harp" and "the old harp" one token in three, of "1863" one, of "yes" and "no" none.
    shares = precision.agreement(one, other, tokenize)
    assert shares == {"same_answers": 0.5, "same_tokens": pytest.approx(2 / 5)}


@pytest.mark.slow  # it compiles for three precisions
def test_a_preset_against_itself(tmp_path, make_glimmer):
    make_glimmer(16, 64, 4, 2).save_to_preset(tmp_path)
    report = precision.main(["--preset", str(tmp_path), "--people", "40", "--questions", "2"])
    assert report["precisions"]["float32"] | {"exact_match": 0} == {
        "same_answers": 1,
        "same_tokens": 1,
        "same_passages": 1,
        "exact_match": 0,
    }
    assert report["precisions"]["bfloat16"]["same_tokens"] > 0.5


def test_a_folder_without_a_preset(tmp_path, capsys):
    with pytest.raises(SystemExit):
        precision.parse(["--preset", str(tmp_path)])
    assert "--preset must be a folder with a preset" in capsys.readouterr().err
