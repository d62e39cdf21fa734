"""python -P glimmer_keras/serving/server DIR: what `glimmer serve` starts, see `--help`."""

import importlib
import os
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The folder becomes a package of its own; `glimmer_keras` and its models are not imported.
    package = types.ModuleType("glimmer_server")
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules[package.__name__] = package
    sys.exit(importlib.import_module("glimmer_server.serve").main(sys.argv[1:]))
