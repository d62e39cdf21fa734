"""PredictionService and ModelService, as TensorFlow Serving has them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from .request_error import RequestError
from .served_model import DEFAULT_SIGNATURE, ServedModel

SIGNATURE_DEF = "signature_def"


def make_grpc_server(
    model: ServedModel, address: str, max_message_bytes: int, threads: int
) -> tuple[grpc.Server, int]:
    """A server that is bound to `host:port` but not started, and its port.

    It takes as many calls as it has threads, and refuses more: none waits in it.
    """
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        maximum_concurrent_rpcs=threads,
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(model), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(model), server)
    return server, server.add_insecure_port(address)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusing(context):
            _check(self._model, request.model_spec)
            signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
            with self._model.place():
                inputs = {name: _array(name, proto) for name, proto in request.inputs.items()}
                outputs = self._model.predict(signature, inputs)
                wanted = list(request.output_filter) or list(outputs)
                if unknown := sorted(set(wanted) - set(outputs)):
                    raise RequestError("INVALID_ARGUMENT", f"output_filter: unknown: {unknown}")
                response = predict_pb2.PredictResponse()
                _tell(self._model, response.model_spec, signature)
                for name in wanted:
                    response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
                return response

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusing(context):
            _check(self._model, request.model_spec)
            if list(request.metadata_field) != [SIGNATURE_DEF]:
                raise RequestError(
                    "INVALID_ARGUMENT",
                    f'metadata_field must be ["{SIGNATURE_DEF}"]. '
                    f"Received: {list(request.metadata_field)}",
                )
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            _tell(self._model, response.model_spec)
            response.metadata[SIGNATURE_DEF].Pack(signature_map(self._model))
            return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; a model that is served is available."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _refusing(context):
            _check(self._model, request.model_spec)
            status = get_model_status_pb2.ModelVersionStatus(
                version=self._model.version,
                state=get_model_status_pb2.ModelVersionStatus.AVAILABLE,
            )
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])


def signature_map(model: ServedModel) -> Any:
    """All signatures as a `SignatureDefMap`."""
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signature_defs.items():
        found.signature_def[name].CopyFrom(signature)
    return found


@contextlib.contextmanager
def _refusing(context: grpc.ServicerContext) -> Iterator[None]:
    """Ends the call with a status if there is an error, or with the time it took in here."""
    abort: Callable[..., Any] = context.abort
    started = time.perf_counter()
    try:
        yield
        milliseconds = 1000 * (time.perf_counter() - started)
        context.set_trailing_metadata((("server-timing", f"total;dur={milliseconds:.3f}"),))
    except RequestError as error:
        abort(grpc.StatusCode[error.code], str(error))
    except Exception as error:
        said = str(error).splitlines() or [""]
        abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {said[0]}")


def _check(model: ServedModel, spec: Any) -> None:
    version = spec.version.value if spec.HasField("version") else None
    model.check(spec.name, version)


def _tell(model: ServedModel, spec: Any, signature: str = "") -> None:
    spec.name, spec.signature_name = model.name, signature
    spec.version.value = model.version


def _array(name: str, proto: Any) -> Any:
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        raise RequestError("INVALID_ARGUMENT", f"{name}: not a tensor: {error}") from error
