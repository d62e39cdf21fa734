import random
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds


class Busy(Exception):
    """A server that may answer if it is asked again."""


def with_retries(run: Callable[[float], Result], url: str, deadline: float, retries: int) -> Result:
    """Run until it is not `Busy`, with waits that double, each cut by a random part.

    Args:
        run: Takes the seconds that are left.
        url: For the error.
        deadline: Seconds for all tries and waits together.
        retries: Tries after the first.

    Raises:
        ConnectionError: If the last try was `Busy`, or no time is left for another.
    """
    end = time.monotonic() + deadline
    tries = 0
    while True:
        try:
            return run(max(end - time.monotonic(), 0.001))
        except Busy as error:
            wait = min(FIRST_WAIT * 2**tries, LONGEST_WAIT) * random.uniform(0.5, 1)
            tries += 1
            if tries > retries or time.monotonic() + wait >= end:
                raise ConnectionError(f"{url}: {error}, after {tries} tries") from error
        time.sleep(wait)
