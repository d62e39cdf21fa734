import importlib.util


def check_extra() -> None:
    """Raise an `ImportError` that says how to install the `serving` extra, if it is absent."""
    for name in ("grpc", "tensorflow_serving"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"{name} is absent; `pip install glimmer_keras[serving]` brings it")
