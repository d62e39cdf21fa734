"""TensorFlow Serving's PredictionService, so far as `GrpcTransport` asks it."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from glimmer_keras.serving.request_error import RequestError


def make_grpc_server(model, address, max_message_bytes, threads):
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
    service = PredictionService(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    return server, server.add_insecure_port(address)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model):
        self._model = model

    def Predict(self, request, context):
        spec = request.model_spec
        with refusing(context):
            self._model.check(spec.name, spec.version.value if spec.HasField("version") else None)
            with self._model.place():
                inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
                outputs = self._model.predict(spec.signature_name, inputs)
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response


@contextlib.contextmanager
def refusing(context):
    """Ends the call with a status if there is an error."""
    try:
        yield
    except RequestError as error:
        context.abort(grpc.StatusCode[error.code], str(error))
    except Exception as error:
        context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
