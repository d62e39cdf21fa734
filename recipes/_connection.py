"""gRPC connections to `glimmer serve`, with the `serving` extra. Shared by recipes."""

import grpc
import tensorflow as tf
from _load import Arrays
from _served import Served
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
SECONDS = 120  # that a request may take
OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # else all channels of a process share a connection
]


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
