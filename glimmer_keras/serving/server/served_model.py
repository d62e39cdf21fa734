import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from glimmer_keras.serving.request_error import RequestError

DEFAULT_SIGNATURE = "serving_default"
SAVED_MODEL = "saved_model.pb"


class ServedModel:
    """A version of a SavedModel, and what may be asked of it.

    Args:
        path: The directory of the version, `DIR/<version>`.
        name: What requests call the model.
        max_batch: Most rows of a request.
        max_requests: Most requests at once.

    Raises:
        ValueError: If the SavedModel is damaged.
        OSError: If it lacks a file.
    """

    def __init__(self, path: Path, name: str, max_batch: int, max_requests: int) -> None:
        content = (path / SAVED_MODEL).read_bytes()
        if b"SentencepieceOp" in content:
            import tensorflow_text  # noqa: F401  registers its ops
        self.name, self.version = name, int(path.name)
        try:
            graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
            self._loaded = tf.saved_model.load(str(path))  # keeps the variables alive
        except (DecodeError, IndexError, RuntimeError, tf.errors.OpError) as error:
            raise ValueError(f"no SavedModel can be loaded: {error}. Received: '{path}'") from error
        self.signature_defs = {name: graph.signature_def[name] for name in graph.signature_def}
        self._functions = dict(self._loaded.signatures)
        self._max_batch = max_batch
        self._places = threading.BoundedSemaphore(max_requests)

    def check(self, name: str, version: int | None = None) -> None:
        """Refuse another name or version than that of the model."""
        if name != self.name or version not in (None, self.version):
            model = name if version is None else f"{name} version {version}"
            raise RequestError("NOT_FOUND", f"Servable not found for request: {model}")

    def inputs_of(self, signature: str) -> dict[str, tf.TensorSpec]:
        """Give shapes and dtypes of what a signature takes."""
        if signature not in self._functions:
            raise RequestError(
                "FAILED_PRECONDITION", f'Serving signature key "{signature}" not found.'
            )
        return self._functions[signature].structured_input_signature[1]

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place among the requests; refused where there are too many."""
        if not self._places.acquire(blocking=False):
            raise RequestError("RESOURCE_EXHAUSTED", "Too many requests at once")
        try:
            yield
        finally:
            self._places.release()

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature, inside of a `place`."""
        specs = self.inputs_of(signature)
        if set(inputs) != set(specs):
            missing, unknown = sorted(set(specs) - set(inputs)), sorted(set(inputs) - set(specs))
            raise _invalid(f"{signature}: inputs missing: {missing}, unknown: {unknown}")
        for name, spec in specs.items():
            dtype = tf.as_dtype(inputs[name].dtype)
            if dtype != spec.dtype:
                raise _invalid(f"{name}: expected {spec.dtype.name}. Received: {dtype.name}")
            if not spec.shape.is_compatible_with(inputs[name].shape):
                raise _invalid(f"{name}: expected {spec.shape}. Received: {inputs[name].shape}")
        sizes = {len(value) for value in inputs.values()}
        if len(sizes) != 1 or not 1 <= max(sizes) <= self._max_batch:
            raise _invalid(
                f"{signature}: inputs must have one number of rows, from 1 to {self._max_batch}. "
                f"Received: {sorted(sizes)}"
            )
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            outputs = self._functions[signature](**tensors)
        except tf.errors.OpError as error:
            code = type(error).__name__.removesuffix("Error")
            known = {
                "InvalidArgument": "INVALID_ARGUMENT",
                "ResourceExhausted": "RESOURCE_EXHAUSTED",
            }
            raise RequestError(known.get(code, "INTERNAL"), _first_line(error)) from error
        return {name: value.numpy() for name, value in outputs.items()}


def newest_version(directory: Path) -> Path:
    """Find the version with the highest number in a directory, or the directory if it is one.

    Raises:
        FileNotFoundError: If there is none.
    """
    if directory.name.isdecimal() and (directory / SAVED_MODEL).is_file():
        return directory
    folders = [path.parent for path in directory.glob(f"*/{SAVED_MODEL}")]
    versions = [folder for folder in folders if folder.name.isdecimal()]
    if not versions:
        raise FileNotFoundError(
            f"`directory` must hold a version, <number>/{SAVED_MODEL}. Received: '{directory}'"
        )
    return max(versions, key=lambda path: int(path.name))


def _invalid(message: str) -> RequestError:
    return RequestError("INVALID_ARGUMENT", message)


def _first_line(error: tf.errors.OpError) -> str:
    return (error.message or type(error).__name__).splitlines()[0]
