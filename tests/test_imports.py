"""The house: who may import whom, where the tests are, and what `import glimmer_keras` costs."""

import ast
import graphlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import glimmer_keras

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "glimmer_keras"

GROUND = {"utils"}
ALONE = {"layers", "losses", "optimizers", "data", "memory", "retrieval", "metrics"}
BASE = GROUND | {"distribution"} | ALONE
BELOW_WINGS = BASE | {"models", "pipelines"}
WINGS = {"training", "evaluation", "serving"}
# What each folder may import from the house, besides itself.
HOUSE = {
    "utils": set(),
    "distribution": GROUND,
    **{name: GROUND for name in ALONE},
    "optimizers": GROUND | {"distribution"},
    "models": GROUND | {"distribution", "layers", "losses", "optimizers"},
    "pipelines": BASE | {"models"},
    **{name: BELOW_WINGS for name in WINGS},
    "cli": BELOW_WINGS | WINGS,
    "__init__": BELOW_WINGS | WINGS,
}
# Packages from outside that the lower floors may import, besides the standard library.
OUTSIDE = {
    "utils": {"filelock", "rich", "tensorstore"},
    "distribution": {"jax", "keras", "numpy", "tensorflow"},
    "layers": {"keras"},
    "losses": {"keras"},
    "optimizers": {"keras"},
    "models": {
        *("huggingface_hub", "jax", "keras", "keras_hub", "numpy", "safetensors", "tensorflow"),
        *("google", "tokenizers"),
    },
    "data": {"numpy", "pyarrow", "tensorflow", "zstandard"},
    "memory": {"faiss", "numpy", "tensorstore"},
    "retrieval": {"Stemmer", "bm25s", "faiss", "numpy", "tensorstore"},
    "metrics": {"numpy"},
}
LOADED_ON_DEMAND = {
    *(
        "apache_beam",
        "bm25s",
        "faiss",
        "orbax",
        "pyarrow",
        "pydantic",
        "tensorflow_text",
        "tensorstore",
        "torch",
        "zstandard",
    )
}


def imports_of(source, package):
    """Dotted names that `source`, a module of `package`, imports anywhere in its text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(name, package) if node.level else name
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = called.id if isinstance(called, ast.Name) else called
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value)


def complaints(path, source):
    """What is wrong with the imports of the module at `path`, given relative to the package."""
    parts = Path(path).with_suffix("").parts
    home = parts[0]
    if home not in HOUSE:
        return [f"{path}: `{home}` has no place in the house"]
    found = []
    for name in imports_of(source, ".".join(("glimmer_keras", *parts[:-1]))):
        top, _, rest = name.partition(".")
        if top == "glimmer_keras":
            folder = rest.partition(".")[0]
            if folder != home and folder not in HOUSE[home]:
                found.append(f"{path}: `{home}` may not import `{name}`")
        elif top in ("recipes", "tests"):
            found.append(f"{path}: the package may not import `{name}`")
        elif home in OUTSIDE and top not in OUTSIDE[home] | set(sys.stdlib_module_names):
            found.append(f"{path}: `{home}` may not import `{name}`")
    return found


def test_imports_run_down_only():
    sources = sorted(PACKAGE.rglob("*.py"))
    assert sources
    found = []
    for source in sources:
        found += complaints(source.relative_to(PACKAGE), source.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("layers/a.py", "from glimmer_keras.models import Glimmer"),
        ("layers/a.py", "def f():\n    import glimmer_keras.losses"),
        ("layers/a.py", "import numpy as np"),
        ("layers/a.py", "from ..data import corpus"),
        ("utils/a.py", "from glimmer_keras.data import Corpus"),
        ("utils/a.py", "import numpy"),
        ("distribution/a.py", "from glimmer_keras.models import Glimmer"),
        ("optimizers/a.py", "from glimmer_keras.layers import Attention"),
        ("layers/deep/a.py", "from ... import memory"),
        ("losses/a.py", "from glimmer_keras import layers"),
        ("losses/a.py", "import glimmer_keras"),
        ("data/a.py", "import importlib\nimportlib.import_module('glimmer_keras.models.sizes')"),
        ("metrics/a.py", "import keras"),
        ("models/a.py", "from glimmer_keras import pipelines"),
        ("models/a.py", "if False:\n    import torch"),
        ("pipelines/a.py", "from glimmer_keras.serving import export"),
        ("training/a.py", "from glimmer_keras.evaluation import evaluate"),
        ("serving/a.py", "from glimmer_keras.cli import main"),
        ("cli/a.py", "from recipes import quickstart"),
        ("attic/a.py", ""),
        ("stray.py", ""),
    ],
)
def test_the_checker_sees(path, source):
    assert len(complaints(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("__init__.py", "from glimmer_keras import layers as layers"),
        ("layers/a.py", "import math\nfrom keras import ops\nfrom .b import B"),
        ("data/a.py", "from glimmer_keras.utils.files import write_file"),
        ("optimizers/a.py", "from glimmer_keras.distribution.replicas import num_replicas"),
        ("models/__init__.py", "from glimmer_keras.models.sizes import a\nimport keras_hub"),
        ("pipelines/a.py", "from glimmer_keras import memory, models\nimport keras"),
        ("training/a.py", "from glimmer_keras.data import mixture"),
        ("cli/a.py", "from glimmer_keras import training, serving"),
    ],
)
def test_the_checker_lets_pass(path, source):
    assert complaints(path, source) == []


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"os\.(replace|rename)\(", "glimmer_keras/utils/files.py"),
        (r"format_version", "glimmer_keras/utils/manifest.py"),
        (r"rich\.progress", "glimmer_keras/utils/progress.py"),
        (r"filelock", "glimmer_keras/utils/locks.py"),
    ],
)
def test_each_mechanism_has_one_home(pattern, home):
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    users = [path for path in sources if re.search(pattern, path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in users] == [home]


def modules_by_import():
    """For each module of the package the others that it needs before it can be imported."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    graph = {}
    for module, path in names.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        top_level = [
            ast.unparse(node)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        needed = set()
        for name in imports_of("\n".join(top_level), package):
            # `from a.b import c` names a module, or something that the module `a.b` defines.
            needed |= {name if name in names else name.rpartition(".")[0]} & names.keys()
        graph[module] = needed - {module}
    return graph


def test_no_imports_go_in_circles():
    graph = modules_by_import()
    assert "glimmer_keras.models.glimmer_backbone" in graph["glimmer_keras.models.glimmer"]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(error.args[1])}")


def test_every_test_file_is_collected():
    known = {"__init__.py", "__main__.py", "conftest.py", "grpc_server.py"}
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name not in known]
    assert [str(path) for path in files if not path.name.startswith("test_")] == []


def test_every_public_class_has_a_mirrored_test_file():
    missing = []
    for init in PACKAGE.glob("*/__init__.py"):
        for name in imports_of(
            init.read_text(encoding="utf-8"), f"glimmer_keras.{init.parent.name}"
        ):
            *_, module, public = name.split(".")
            mirrored = ROOT / "tests" / init.parent.name / f"test_{module}.py"
            if name.startswith("glimmer_keras.") and public[0].isupper() and not mirrored.exists():
                missing.append(f"{public}: {mirrored.relative_to(ROOT)}")
    assert missing == []


def test_importing_is_quick_silent_and_light():
    # The output of the import goes to a file of its own, apart from what keras and keras_hub say.
    code = """
import json, os, sys, tempfile, time, warnings
started = time.process_time()
import keras_hub
keras_hub_seconds = time.process_time() - started
before = set(sys.modules)
with tempfile.TemporaryFile() as said:
    out, err = os.dup(1), os.dup(2)
    os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            import glimmer_keras
        finally:
            seconds = time.process_time() - started
            sys.stdout.flush(), sys.stderr.flush()
            os.dup2(out, 1), os.dup2(err, 2)
    said.seek(0)
    said = said.read().decode()
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
import keras
cls = keras.saving.get_registered_object("glimmer_keras>Glimmer")
report = {"seconds": seconds, "keras_hub": keras_hub_seconds, "said": said, "new": new}
print(json.dumps(report | {"registered": cls and cls.__name__}))
"""
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert child.returncode == 0, child.stderr
    report = json.loads(child.stdout.splitlines()[-1])
    assert report["said"] == ""
    assert LOADED_ON_DEMAND & set(report["new"]) == set()
    assert report["seconds"] <= 0.1 * report["keras_hub"]
    # Keras finds what it loads, though no name of the package was used.
    assert report["registered"] == "Glimmer"


def test_names_of_the_package_are_those_that_types_are_checked_with():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    assert {alias.name for node in block.body for alias in node.names} == {
        *glimmer_keras._FOLDERS,
        *glimmer_keras._HOMES,
    }
    for name, folder in glimmer_keras._HOMES.items():
        home = importlib.import_module(f"glimmer_keras.{folder}")
        assert getattr(glimmer_keras, name) is getattr(home, name)
    assert {"Glimmer", "models", "__version__"} <= set(dir(glimmer_keras))
    register = "keras.saving.register_keras_serializable"
    sources = (path for path in PACKAGE.rglob("*.py") if register in path.read_text("utf-8"))
    folders = {source.relative_to(PACKAGE).parts[0] for source in sources}
    assert folders == set(glimmer_keras._REGISTERED)
    with pytest.raises(AttributeError, match="'glimmer_keras' has no attribute 'Gleam'"):
        glimmer_keras.Gleam  # noqa: B018


def test_the_environment_of_the_tests_is_set_before_anything_reads_it():
    """Import what reads it in tests/__init__.py, and JAX compiles all programs twice as long."""
    import jax

    assert jax.config.jax_compilation_cache_dir == os.environ["JAX_COMPILATION_CACHE_DIR"]
