import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from glimmer_keras.serving.retries import Busy, with_retries

BUSY = (429, 502, 503, 504)


class RestTransport:
    """Posts to the `:predict` path of TensorFlow Serving.

    Args:
        url: `http://host:port` or `https://host:port`.
        model: What the server calls the model.
        version: Of the model, `None` for the newest.
        deadline: Seconds for a call, its retries among them.
        retries: Tries after the first where the server is not there or has too much to do.
    """

    def __init__(
        self, url: str, model: str, version: int | None, deadline: float, retries: int
    ) -> None:
        path = f"/v1/models/{urllib.parse.quote(model, safe='')}"
        if version is not None:
            path += f"/versions/{version}"
        self._url = f"{url.rstrip('/')}{path}:predict"
        self._deadline, self._retries = deadline, retries

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a signature; errors are those of `GrpcTransport.predict`."""
        content = {"signature_name": signature, "inputs": {n: _plain(v) for n, v in inputs.items()}}
        body = json.dumps(content).encode()
        reply = with_retries(
            lambda seconds: self._post(body, seconds), self._url, self._deadline, self._retries
        )
        return {name: np.array(value) for name, value in reply["outputs"].items()}

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    def _post(self, body: bytes, seconds: float) -> Any:
        request = urllib.request.Request(
            self._url, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                message = f"{error.code}: {_message(error.read())}"
            if error.code in BUSY:
                raise Busy(message) from error
            kind = ValueError if error.code < 500 else RuntimeError
            raise kind(f"{self._url}: {message}") from error
        except TimeoutError as error:
            raise TimeoutError(f"{self._url}: `deadline` is {self._deadline} s") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), TimeoutError):
                raise TimeoutError(f"{self._url}: `deadline` is {self._deadline} s") from error
            raise Busy(str(error)) from error


def _plain(value: np.ndarray) -> Any:
    return (value if value.dtype.kind in "biuf" else value.astype("float32")).tolist()


def _message(body: bytes) -> str:
    """Read what TensorFlow Serving, or something in front of it, says of an error."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body[:200].decode("utf-8", "replace").split())
