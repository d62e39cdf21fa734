"""How recipes speak to whoever starts them: help as it is written, an error in one line."""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


def exit_code(
    run: Callable[[Sequence[str] | None], None],
) -> Callable[..., int]:
    """Make of a recipe's `main` one that gives 0, 2 after an error, 130 when it was stopped."""

    @functools.wraps(run)
    def main(argv: Sequence[str] | None = None) -> int:
        try:
            run(argv)
        except (ValueError, OSError, ImportError) as error:
            print("error:", *str(error).split(), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Stopped; the same command goes on", file=sys.stderr)
            return 130
        return 0

    return main
