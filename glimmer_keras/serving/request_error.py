class RequestError(Exception):
    """A request that is refused.

    Args:
        code: Name of a gRPC status code.
        message: Why, in one line.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code
