import socket

import numpy as np
import pytest

from glimmer_keras.serving.rest_transport import RestTransport


def test_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        transport = RestTransport(url, "m", 1, 0.1, 4)
        with pytest.raises(TimeoutError, match=f"{url}/v1/models/m/.*`deadline` is 0.1 s"):
            transport.predict("answer", {"x": np.zeros((1, 2), "int32")})
