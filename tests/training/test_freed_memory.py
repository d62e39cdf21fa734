import platform
import subprocess
import sys
from pathlib import Path

import pytest

import glimmer_keras

FILE = Path(glimmer_keras.__file__).parent / "training" / "freed_memory.py"
# Pages that the second of two equal blocks gets from the kernel; run without loading Keras.
PROGRAM = """
import resource, runpy, sys
import numpy as np
if sys.argv[2] == "keep":
    assert runpy.run_path(sys.argv[1])["keep_freed_memory"]()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(way):
    command = [sys.executable, "-c", PROGRAM, str(FILE), way]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_freed_memory_is_taken_again():
    assert pages("keep") < 5 < pages("give back")


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not glimmer_keras.training.keep_freed_memory()
