def check_extra() -> None:
    """Raise an `ImportError` that says how to install the `serving` extra, if it is absent."""
    try:
        import grpc  # noqa: F401
        import tensorflow_serving  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{error.name} is absent; `pip install glimmer_keras[serving]` brings it"
        ) from error
