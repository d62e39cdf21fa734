"""What only an accelerator can tell, one part in a process of its own."""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from glimmer_keras import Glimmer
from glimmer_keras.layers import MemoryEncoder, RelativePositionBias
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models.sizes import size_arguments
from recipes.benchmarks.parts.answering import make_inputs
from recipes.benchmarks.processes import be_part
from recipes.benchmarks.timing import compiled, interleaved, seconds, spread

Settings = dict[str, Any]
# As XLA compiles it where it can, which is where accelerators are fast.
JIT = True


def parity(settings: Settings) -> dict[str, Any]:
    """Compare the scores and logits of a GLIMMER in float32 on the chip with those on the CPU.

    Products are as the backend makes them, and on JAX also in full float32.
    """
    options = argparse.Namespace(**settings, answer_length=8)
    glimmer = Glimmer.from_size(settings["size"], num_selected=settings["m"], dropout=0.0)
    inputs = {n: ops.convert_to_numpy(x) for n, x in make_inputs(glimmer, 2, options).items()}

    def run() -> dict[str, np.ndarray]:
        outputs = glimmer({name: ops.convert_to_tensor(value) for name, value in inputs.items()})
        return {name: ops.convert_to_numpy(outputs[name]) for name in ("logits", "passage_scores")}

    def apart(found: dict[str, np.ndarray]) -> dict[str, float]:
        return {
            name: float(np.abs(found[name] - value).max() / np.abs(value).max())
            for name, value in expected.items()
        }

    if keras.backend.backend() == "jax":
        import jax

        cpu = jax.devices("cpu")[0]
        values = [variable.value for variable in glimmer.variables]
        with (
            jax.default_device(cpu),
            keras.StatelessScope(
                state_mapping=[
                    (variable, jax.device_put(value, cpu))
                    for variable, value in zip(glimmer.variables, values, strict=True)
                ]
            ),
        ):
            expected = run()
        found = {"as_it_is": apart(run())}
        with jax.default_matmul_precision("highest"):
            found["highest"] = apart(run())
        return {"largest_difference": found}
    import tensorflow as tf

    with tf.device("/CPU:0"):
        expected = run()
    return {"largest_difference": {"as_it_is": apart(run())}}


def encoder(settings: Settings) -> dict[str, Any]:
    """Time encoder layers of each size in bfloat16 beside a product of the same shape."""
    found = {}
    for size in settings["sizes"]:
        sizes = size_arguments(size)
        dims = {name: sizes[name] for name in ("num_heads", "hidden_dim", "intermediate_dim")}
        dims["head_dim"] = sizes.get("key_value_dim", 64)
        stack = MemoryEncoder(settings["layers"], dtype="bfloat16", **dims)
        rows, length = settings["rows"], settings["passage_length"]
        d, inner, ff = (
            dims["hidden_dim"],
            dims["num_heads"] * dims["head_dim"],
            dims["intermediate_dim"],
        )
        states = ops.cast(np.random.default_rng(0).normal(size=(rows, length, d)), "bfloat16")
        mask = ops.ones((rows, length), "bool")
        stack.build((rows, length, d))
        kernel = ops.cast(np.ones((d, ff), "float32"), "bfloat16")
        flat = ops.reshape(states, (-1, d))
        calls = {
            "encoder": compiled(stack, stack, (states, mask), JIT),
            "product": compiled(ops.matmul, stack, (flat, kernel), JIT),
        }
        interleaved(calls, 2)
        times = {
            name: spread(taken) for name, taken in interleaved(calls, settings["repeats"]).items()
        }
        tokens = rows * length
        macs = settings["layers"] * tokens * (4 * d * inner + 3 * d * ff + 2 * inner * length)
        speeds = {
            "encoder": 2 * macs / times["encoder"]["median"],
            "product": 2 * tokens * d * ff / times["product"]["median"],
        }
        found[size] = {"seconds": times, "flops": speeds}
        found[size]["share_of_product"] = speeds["encoder"] / speeds["product"]
        if settings.get("peak_tflops"):
            found[size]["share_of_peak"] = speeds["encoder"] / (1e12 * settings["peak_tflops"])
    return found


def reading(settings: Settings) -> dict[str, Any]:
    """Time memory of k passages from the disk to the chip, stores of all types, and raw bytes."""
    rng, dim = np.random.default_rng(0), size_arguments(settings["size"])["hidden_dim"]
    k, length, number = settings["k"], settings["passage_length"], settings["stored"]
    memory = rng.normal(size=(number, length, dim)).astype("float32")
    passages = [StoredPassage(str(row), "", "") for row in range(number)]
    with tempfile.TemporaryDirectory() as work:
        writer = MemoryStore.create(
            Path(work, "int8"), hidden_dim=dim, passage_length=length, shard_size=number
        )
        writer.write_shard(0, memory, np.full(number, length), passages)
        writer.complete(1)
        stores = {"int8": MemoryStore.open(Path(work, "int8"))}
        for dtype in settings["dtypes"]:
            stores[dtype] = stores["int8"].convert(Path(work, dtype), dtype)
        np.save(Path(work, "raw.npy"), memory.astype("float16"))
        mapped = np.load(Path(work, "raw.npy"), mmap_mode="r")

        def read(store: MemoryStore) -> Any:
            batch = store.read([str(row) for row in rng.choice(number, k, replace=False)])
            return ops.convert_to_tensor(batch.values)

        calls = {name: lambda store=store: read(store) for name, store in stores.items()}
        calls["raw float16"] = lambda: ops.convert_to_tensor(
            mapped[rng.choice(number, k, replace=False)]
        )
        interleaved(calls, 2)
        times = interleaved(calls, settings["repeats"])
    raw = statistics.median(times["raw float16"])
    return {
        name: {"seconds": spread(taken), "times_raw": statistics.median(taken) / raw}
        for name, taken in times.items()
    }


def flash(settings: Settings) -> dict[str, Any]:
    """Try Keras's flash attention with T5's bias beside plain attention, at one layer's shape."""
    sizes = size_arguments(settings["size"])
    heads, width = sizes["num_heads"], sizes.get("key_value_dim", 64)
    shape = (settings["rows"], settings["passage_length"], heads, width)
    rng = np.random.default_rng(0)
    parts = [ops.cast(rng.normal(size=shape), "bfloat16") for _ in range(3)]
    table = RelativePositionBias(heads, dtype="bfloat16")
    bias = ops.cast(table(ops.ones((1, shape[1], 8))), "bfloat16")

    def attend(kernel: bool | None, with_bias: bool) -> Any:
        def run(query: Any, key: Any, value: Any) -> Any:
            return ops.dot_product_attention(
                query,
                key,
                value,
                bias=bias if with_bias else None,
                scale=1.0,
                flash_attention=kernel,
            )

        return run

    found: dict[str, Any] = {}
    for name, kernel, with_bias in (
        ("plain with bias", False, True),
        ("flash with bias", True, True),
        ("plain without", False, False),
        ("flash without", True, False),
    ):
        try:
            call = compiled(attend(kernel, with_bias), table, tuple(parts), JIT)
            call()
            found[name] = spread([seconds(call) for _ in range(settings["repeats"])])
        except Exception as error:  # whatever a kernel that does not run says
            found[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return found


PARTS = {"parity": parity, "encoder": encoder, "reading": reading, "flash": flash}

if __name__ == "__main__":
    be_part(lambda settings: PARTS[settings["part"]](settings))
