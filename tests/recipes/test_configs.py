import re
import shlex
from pathlib import Path

import pytest

from glimmer_keras.training import TrainingConfig

CONFIGS = Path(__file__).parents[2] / "recipes" / "configs"


def commands_of(config):
    """The `--set` of each command that the comments at the top of a file tell."""
    lines = re.findall(r"^#   +(.*)$", (CONFIGS / config).read_text(), re.MULTILINE)
    commands = [shlex.split(line) for line in "\n".join(lines).replace("\\\n", "").splitlines()]
    for program, *words in commands:
        if program == "glimmer":
            assert words[:2] == ["train", f"recipes/configs/{config}"]
            yield words[words.index("--set") + 1 :] if "--set" in words else []


def test_tiny(tmp_path):
    [changes] = commands_of("tiny.yaml")
    config = TrainingConfig.read(CONFIGS / "tiny.yaml", [*changes, f"data.folder={tmp_path}"])
    assert config.model.t5 == "tiny_world"


@pytest.mark.parametrize("size", ["base", "large"])
def test_the_papers(size, tmp_path):
    base, large = commands_of("kilt.yaml")
    changes = [f"data.folder={tmp_path}", f"data.retrieved={tmp_path}"]
    changes += base if size == "base" else large
    config = TrainingConfig.read(CONFIGS / "kilt.yaml", changes)
    assert config.model.t5 == f"t5_1.1_{size}"
    # The paper's, section 4.
    assert config.fit.batch_size * config.fit.accumulate == 128
    assert config.fit.steps == 50_000 * config.fit.accumulate
    assert config.fit.learning_rate == 1e-4
    assert config.data.num_passages == 25
    assert config.model.settings == {
        "live_proportion": 1 / 3,
        "rerank_proportion": 1 / 4,
        "num_selected": 5,
        "dropout": 0.1,
    }
