import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from glimmer_keras.distribution.replicas import num_replicas

Part = tuple[tuple[Any, ...], np.ndarray]
FLOATS = ("F64", "F32", "F16", "BF16")
CHUNK = 2**20  # numbers read at a time
SHARD = 2**31  # bytes of a file at most, as of one all tensors are in memory when it is written


class TensorFiles:
    """Tensors in safetensors files: in `STEM.safetensors`, or in several with an index.

    Args:
        directory: Where the files are.
        stem: How their names begin.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If a file is damaged.
    """

    def __init__(self, directory: Path, stem: str = "model") -> None:
        self.directory = directory
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._dtypes: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        for path in _paths(directory, stem):
            try:
                with safe_open(path, framework="np") as file:
                    for name in file.keys():  # noqa: SIM118
                        tensor = file.get_slice(name)
                        self.shapes[name] = tuple(tensor.get_shape())
                        self._dtypes[name] = tensor.get_dtype()
                        self._paths[name] = path
            except SafetensorError as error:
                raise ValueError(f"{path} must be a safetensors file: {error}") from error

    def check(self, expected: dict[str, tuple[int, ...]]) -> None:
        """Raise a `ValueError` unless floats of these names and shapes are there."""
        wrong = []
        for name, shape in expected.items():
            if name not in self.shapes:
                wrong.append(f"no {name}")
            elif self.shapes[name] != shape:
                wrong.append(f"{name} of shape {self.shapes[name]}, not {shape}")
            elif self._dtypes[name] not in FLOATS:
                wrong.append(f"{name} of {self._dtypes[name]}, not one of {FLOATS}")
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise ValueError(
                f"{self.directory} must hold the {len(expected)} tensors of its configuration. "
                f"Received: {'; '.join(wrong[:5])}{more}"
            )

    def parts(self, name: str, transposed: bool = False) -> Iterator[Part]:
        """Read a tensor of one or two dimensions some rows at a time, each part with its place."""
        shape = self.shapes[name]
        rows = max(1, CHUNK * shape[0] // max(math.prod(shape), 1))
        for start in range(0, shape[0], rows):
            part = slice(start, min(start + rows, shape[0]))
            # Opened anew, as what was read of an open file stays in memory.
            with safe_open(self._paths[name], framework="np") as file:
                values = file.get_slice(name)[part]
            yield ((..., part), values.T) if transposed else ((part,), values)


def assemble(shape: tuple[int, ...], dtype: str, parts: Iterable[Part]) -> np.ndarray:
    """Put the parts of a tensor together, cast."""
    tensor = np.empty(shape, dtype)
    for place, part in parts:
        tensor[place] = part
    return tensor


def free(variables: Iterable[Any]) -> None:
    """Have JAX free the values of a new model's variables, before they are loaded.

    All at once, as what each leaves has no room for its next value with JAX's alignment.
    """
    if keras.backend.backend() == "jax":
        for variable in variables:
            variable.value.delete()


def load(variable: Any, parts: Iterable[Part]) -> None:
    """Give a variable, freed before, its value with little more memory than it has."""
    backend = keras.backend.backend()
    if backend == "tensorflow" and num_replicas() == 1:
        for place, part in parts:
            variable.value[place].assign(part.astype(variable.dtype))
        return
    value = assemble(variable.shape, variable.dtype, parts)
    # Of an array of another kind than its own, JAX would make one copy more.
    variable.assign(keras.ops.convert_to_tensor(value))
    if backend == "jax":
        variable.value.block_until_ready()  # `value` is in memory as long


def write_tensors(
    directory: Path, stem: str, sizes: dict[str, int], value: Callable[[str], np.ndarray]
) -> None:
    """Write tensors as `TensorFiles` reads them, in files of at most `SHARD` bytes.

    Args:
        directory: Where to.
        stem: How the names of the files begin.
        sizes: Bytes of each tensor, by name.
        value: Gives the tensor of a name, contiguous. One larger than `SHARD` has its own file.
    """
    shards: list[list[str]] = [[]]
    room = SHARD
    for name, size in sizes.items():
        if shards[-1] and size > room:
            shards.append([])
            room = SHARD
        shards[-1].append(name)
        room -= size
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"{stem}-{number:05}-of-{len(shards):05}.safetensors"
        if len(shards) == 1:
            file = f"{stem}.safetensors"
        tensors = {name: value(name) for name in names}
        # `transformers` asks for this note in a file.
        save_file(tensors, directory / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": places}
        text = json.dumps(index, indent=1)
        (directory / f"{stem}.safetensors.index.json").write_text(text, encoding="utf-8")


def read_json(path: Path, kind: type = dict) -> Any:
    """Read the object, or the list, in a JSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    if not isinstance(content, kind):
        what = "object" if kind is dict else kind.__name__
        raise ValueError(f"{path} must hold a JSON {what}. Received: {type(content).__name__}")
    return content


def _paths(directory, stem):
    single, index = (directory / f"{stem}.safetensors{end}" for end in ("", ".index.json"))
    if single.is_file():
        return [single]
    if not index.is_file():
        raise FileNotFoundError(f"{directory} has no {single.name} and no {index.name}")
    places = read_json(index).get("weight_map")
    files = sorted({str(file) for file in places.values()}) if isinstance(places, dict) else []
    if not files or any(Path(file).name != file for file in files):
        raise ValueError(f"{index} must have a `weight_map` to files beside it. Received: {files}")
    if absent := [file for file in files if not (directory / file).is_file()]:
        raise FileNotFoundError(f"{directory} lacks files of {index.name}: {absent}")
    return [directory / file for file in files]
