from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from glimmer_keras.serving.extra import check_extra
from glimmer_keras.serving.retries import Busy, with_retries

ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
REFUSED = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "OUT_OF_RANGE", "UNIMPLEMENTED")


class GrpcTransport:
    """Calls `Predict` of TensorFlow Serving's PredictionService.

    Args:
        url: `host:port`.
        model: What the server calls the model.
        version: Of the model, `None` for the newest.
        deadline: Seconds for a call, its retries among them.
        retries: Tries after the first where the server is not there or has too much to do.
        credentials: A `grpc.ChannelCredentials`; `None` is no TLS.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None,
        deadline: float,
        retries: int,
        credentials: Any = None,
    ) -> None:
        check_extra("grpc", "tensorflow_serving")
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        if credentials is None:
            self._channel = grpc.insecure_channel(url, ANY_SIZE)
        else:
            self._channel = grpc.secure_channel(url, credentials, ANY_SIZE)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel).Predict
        self._url, self._deadline, self._retries = url, deadline, retries
        self._model, self._version = model, version

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature.

        Raises:
            ValueError: If the server refuses the request.
            TimeoutError: If there is no answer before the deadline.
            ConnectionError: If the server is not there, or has too much to do.
            RuntimeError: If the server fails.
        """
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, signature
        if self._version is not None:
            request.model_spec.version.value = self._version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))

        def run(seconds: float) -> Any:
            import grpc

            try:
                return self._predict(request, timeout=seconds)
            except grpc.RpcError as error:
                self._raise(error.code().name, error.details(), error)

        response = with_retries(run, self._url, self._deadline, self._retries)
        return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _raise(self, code: str, details: str, error: Exception) -> None:
        message = f"{self._url}: {code}: {details}"
        if code in REFUSED or "larger than max" in details:
            raise ValueError(message) from error
        if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
            raise Busy(f"{code}: {details}") from error
        if code == "DEADLINE_EXCEEDED":
            raise TimeoutError(f"{message}; `deadline` is {self._deadline} s") from error
        raise RuntimeError(message) from error
