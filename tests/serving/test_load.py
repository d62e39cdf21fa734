"""The exported model in C, by the loader of TensorFlow Serving."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

HERE = Path(__file__).parent
TENSORFLOW = Path(importlib.util.find_spec("tensorflow").origin).parent


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="once is enough")
def test_c(version, graph, requests, replies, tmp_path):
    libraries = [str(path) for path in sorted(TENSORFLOW.glob("libtensorflow_*.so.*"))]
    program, include = tmp_path / "load", f"-I{TENSORFLOW / 'include'}"
    flags = [include, "-O0", "-Wall", "-Werror", f"-Wl,-rpath,{TENSORFLOW}"]
    source = str(HERE / "load.c")
    if shutil.which("ld.gold"):
        flags.append("-fuse-ld=gold")  # four times as fast on libraries of this size
    subprocess.run(["gcc", source, *flags, *libraries, "-o", str(program)], check=True)
    requests = {name: inputs for name, inputs in requests.items() if "." not in name}
    plan = []
    for name, inputs in requests.items():
        signature = graph.signature_def[name]
        plan.append(f"run {name}")
        for key, value in inputs.items():
            (tmp_path / f"{name}.{key}").write_bytes(value.tobytes())
            info = signature.inputs[key]
            assert tf.as_dtype(info.dtype).as_numpy_dtype == value.dtype
            shape = " ".join(map(str, [value.ndim, *value.shape]))
            plan.append(f"in {place(info.name)} {info.dtype} {shape} {tmp_path / f'{name}.{key}'}")
        plan += [f"out {key} {place(info.name)}" for key, info in signature.outputs.items()]
        plan.append("end")
    (tmp_path / "plan").write_text("\n".join(plan))
    child = subprocess.run(
        [str(program), str(version), str(tmp_path / "plan")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found: dict = {name: {} for name in requests}
    for line in child.stdout.splitlines():
        name, key, *values = line.split()
        found[name][key] = np.array(values, "float64")
    for name, values in found.items():
        assert set(values) == set(replies[name])
        for key, value in replies[name].items():
            np.testing.assert_allclose(values[key], value.ravel(), rtol=1e-5, atol=1e-5)


def test_c_program_is_short():
    assert len((HERE / "load.c").read_text().splitlines()) <= 150


def place(tensor):
    """Name and index of an operation's output."""
    return " ".join(tensor.split(":"))
