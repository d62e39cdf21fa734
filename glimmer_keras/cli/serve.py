import argparse
import os
import sys
from pathlib import Path

from glimmer_keras.serving.extra import check_extra
from glimmer_keras.serving.server import options

add_arguments = options.add_arguments


def run(args: argparse.Namespace) -> int:
    """Become the server, in which nothing of this package is but its own folder."""
    check_extra()
    server = Path(options.__file__).parent
    command = [sys.executable, "-P", str(server), str(args.directory)]
    for name, value in vars(args).items():
        # Not by ==, to which 0, a port that the system picks, is False.
        if name not in ("command", "directory") and value is not None and value is not False:
            command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    sys.stdout.flush()
    os.execv(sys.executable, command)
