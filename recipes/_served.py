"""`glimmer serve` as a child process, and gRPC connections to it. Shared by recipes."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from _load import Arrays
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
SECONDS = 120  # that a request may take
OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # else all channels of a process share a connection
]


@dataclass(frozen=True)
class Served:
    """A server that is running: its model's name, its addresses and its process."""

    name: str
    grpc: str
    rest: str
    pid: int

    def megabytes(self) -> dict[str, float]:
        """Resident memory now and at its greatest since the last call, in MiB. Linux only."""
        process = Path(f"/proc/{self.pid}")
        status = (process / "status").read_text(encoding="utf-8")
        (process / "clear_refs").write_text("5", encoding="utf-8")  # forgets the greatest
        kinds = {"now": "VmRSS", "greatest": "VmHWM"}
        found = {name: re.search(rf"{kind}:\s*(\d+) kB", status) for name, kind in kinds.items()}
        return {name: int(match[1]) / 2**10 for name, match in found.items() if match}


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """Serve the newest version in a directory until the context ends."""
    command = [sys.executable, "-m", "glimmer_keras.cli.main", "serve", str(directory)]
    command += ["--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.fullmatch(r"Serving (\S+) .*: gRPC (\S+), REST (\S+)\n", said)
            if found is None:
                raise RuntimeError(f"`glimmer serve` did not start. Received: {said!r}")
            yield Served(found[1], found[2], found[3], process.pid)
        finally:
            process.terminate()
    if process.returncode:
        raise RuntimeError(f"`glimmer serve` ended with exit status {process.returncode}")


class Connection:
    """A gRPC connection of its own, which knows how long its last request took in the server."""

    def __init__(self, served: Served):
        self._name = served.name
        self._channel = grpc.insecure_channel(served.grpc, OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self.seconds_inside = 0.0

    def predict(self, signature: str, inputs: Arrays) -> Arrays:
        """Raises `ConnectionError` where the server has too much to do."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._name, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            response, call = self._stub.Predict.with_call(request, timeout=SECONDS)
        except grpc.RpcError as error:
            if error.code() in BUSY:
                raise ConnectionError(error.details()) from error
            raise
        timing = dict(call.trailing_metadata())["server-timing"]
        self.seconds_inside = float(timing.removeprefix("total;dur=")) / 1000
        return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}

    def close(self) -> None:
        self._channel.close()
