"""Many clients that ask at once, each reply compared with the one expected."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]
Predict = Callable[[str, Arrays], Arrays]

TOLERANCE = 1e-3  # of floats
TRIES, WAIT = 100, 0.1  # where a server has too much to do


@dataclass(frozen=True)
class Request:
    """Who asks, which signature, and which of the questions there are."""

    client: int
    signature: str
    rows: np.ndarray


class Load:
    """Asks, and counts replies as `right` and `wrong`, and requests as `lost` and `refused`.

    A refused request is sent again, so it is counted once more; a lost one has no reply.

    Args:
        clients: Functions of a signature and inputs that give the reply, and raise
            `ConnectionError` where the server refuses as it has too much to do.
        inputs: By signature, of all questions.
        expected: By signature, for all questions.
    """

    def __init__(
        self,
        clients: list[Predict],
        inputs: Mapping[str, Arrays],
        expected: Mapping[str, Arrays],
    ):
        self._clients, self._inputs, self._expected = clients, inputs, expected
        self.outcomes: Counter[str] = Counter(right=0, wrong=0, lost=0, refused=0)
        self.problems: list[str] = []
        self.seconds: list[float] = []  # of each request, its tries together

    def run(self, requests: Iterable[Request]) -> None:
        """Ask by all clients at once, each with its requests one after the other."""
        shares: list[list[Request]] = [[] for _ in self._clients]
        for request in requests:
            shares[request.client].append(request)
        with ThreadPoolExecutor(len(shares)) as pool:
            for outcomes in pool.map(self._ask_all, shares):
                self.outcomes.update(outcomes)

    def _ask_all(self, requests: list[Request]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for request in requests:
            started = time.perf_counter()
            outcomes.update(self._ask(request))
            self.seconds.append(time.perf_counter() - started)
        return outcomes

    def _ask(self, request: Request) -> list[str]:
        predict, signature = self._clients[request.client], request.signature
        inputs = take(self._inputs[signature], request.rows)
        problem = "no place"
        for tries in range(TRIES):
            try:
                reply = predict(signature, inputs)
            except ConnectionError:
                time.sleep(WAIT)
                continue
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                break
            wrong = differing(reply, take(self._expected[signature], request.rows))
            if wrong:
                self.problems.append(f"{signature}: {wrong}")
            return ["wrong" if wrong else "right", *["refused"] * tries]
        self.problems.append(f"{signature}: {problem}")
        return ["lost", *["refused"] * tries]


def take(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """Take some rows of each array."""
    return {name: value[rows] for name, value in arrays.items()}


def differing(reply: Arrays, expected: Arrays) -> list[str]:
    """Name outputs that are not as expected: integers the same, floats within `TOLERANCE`."""

    def same(name):
        value, wanted = np.asarray(reply[name]), expected[name]
        exact = np.issubdtype(wanted.dtype, np.integer)
        return value.shape == wanted.shape and np.allclose(
            value, wanted, rtol=0, atol=0 if exact else TOLERANCE
        )

    names = sorted(set(reply) | set(expected))
    return [n for n in names if n not in reply or n not in expected or not same(n)]
