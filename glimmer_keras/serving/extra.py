import importlib

MODULES = ("grpc", "tensorflow_serving", "starlette", "uvicorn")


def check_extra(*modules: str) -> None:
    """Raise an `ImportError` that says how to install the `serving` extra, if it is absent.

    Args:
        modules: Those that are needed, by default all of the extra.
    """
    try:
        for module in modules or MODULES:
            importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{error.name} is absent; `pip install glimmer_keras[serving]` brings it"
        ) from error
