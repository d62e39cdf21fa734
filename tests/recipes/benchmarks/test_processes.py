import os
import subprocess
import sys

import numpy as np

from recipes.benchmarks.processes import ROOT, environment, resident, run_part


def test_a_part_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "part_of_a_test.py").write_text(
        "import os, recipes\n"
        "from recipes.benchmarks.processes import be_part\n"
        "print('a line before')\n"
        "be_part(lambda settings: {**settings, 'process': os.getpid()})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    measured = run_part("part_of_a_test", {"part": "load"})
    assert measured.pop("process") != os.getpid()
    assert measured == {"part": "load"}


def test_children_are_quiet_and_find_the_recipes(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    variables = environment(KERAS_BACKEND="jax")
    assert variables["KERAS_BACKEND"] == "jax"
    assert variables["PYTHONPATH"] == str(ROOT)
    program = "import recipes, os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "3\n"


def test_the_greatest_memory_is_forgotten():
    resident()
    big = np.ones(2**23)  # 64 MiB
    held = resident()
    del big
    after = resident(), resident()
    assert held["greatest"] >= held["now"] > 64
    assert after[1]["greatest"] < held["greatest"] - 50
