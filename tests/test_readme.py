"""What the README files tell to type works. Blocks under `<!-- not run: why -->` are left."""

import contextlib
import functools
import importlib
import importlib.util
import io
import re
import shlex
import tomllib
from pathlib import Path

import keras
import pytest

from glimmer_keras.cli.main import make_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "recipes/README.md", "recipes/benchmarks/results/README.md")
}
README = PAGES["README.md"]
FENCE = re.compile(
    r"^(?:<!-- not run:(?P<reason>.*?)-->\s*?\n+)?"
    r"(?P<indent>[ \t]*)```(?P<language>\w*)[ \t]*\n(?P<text>.*?)^[ \t]*```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
HARMLESS = {"cd", "export", "git"}


def blocks_of(text, language):
    """Line number and text of each block of `language` that is to run."""
    for match in FENCE.finditer(text):
        if match["reason"] is None and match["language"] == language:
            yield text[: match.start("text")].count("\n") + 1, match["text"]


def commands_of(block):
    """The commands of a bash block as lists of words, without variables set in front."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words:
            yield words


def check_command(words):
    program, *arguments = words
    if program in HARMLESS:
        return
    if program == "pip":
        check_extras(arguments)
    elif program == "glimmer":
        check_glimmer(arguments)
    elif program == "python" and arguments[0] == "-m":
        assert find_module(arguments[1]), f"no module for: {shlex.join(words)}"
        if arguments[1].startswith("recipes."):
            check_flags(arguments[1], arguments[2:])
    elif program in ("python", "bash"):
        script = ROOT / arguments[0]
        assert script.is_file(), f"no file for: {shlex.join(words)}"
        if program == "python":
            check_flags(".".join(Path(arguments[0]).with_suffix("").parts), arguments[1:])
    else:
        pytest.fail(f"this test does not know how to check: {shlex.join(words)}")


def check_extras(arguments):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r"\[(.*?)\]", " ".join(arguments)):
        assert set(re.split(r"\s*,\s*", extras)) <= set(project["optional-dependencies"])


def check_glimmer(arguments):
    try:
        make_parser().parse_args(arguments)
    except SystemExit as end:
        if end.code:
            raise AssertionError(f"no such command: glimmer {shlex.join(arguments)}") from end


def find_module(name):
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


@functools.cache
def help_of(module):
    """What a recipe shows for `--help`."""
    if importlib.util.find_spec(module).submodule_search_locations:
        module = f"{module}.__main__"
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        importlib.import_module(module).main(["--help"])
    return shown.getvalue()


def check_flags(module, arguments):
    flags = re.findall(r"--[\w-]+", help_of(module))
    for argument in arguments:
        flag = argument.partition("=")[0]
        assert not flag.startswith("--") or flag in flags, f"{module} has no {flag}"


def test_python_blocks_run_in_order(tmp_path, monkeypatch, eager):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    for line, text in blocks_of(README, "python"):
        exec(compile("\n" * (line - 1) + text, "README.md", "exec"), namespace)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="once is enough")
@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page):
    blocks = blocks_of(PAGES[page], "bash")
    commands = [words for _, text in blocks for words in commands_of(text)]
    assert commands
    for words in commands:
        check_command(words)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page])
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_blocks_name_their_language_and_reasons_are_given(page):
    text = PAGES[page]
    fences = list(FENCE.finditer(text))
    assert 2 * len(fences) == len(re.findall(r"^[ \t]*```", text, re.MULTILINE))
    assert [fence["text"] for fence in fences if not fence["language"]] == []
    reasons = re.findall(r"<!-- not run:(.*?)-->", text)
    assert all(reason.strip() for reason in reasons)
    assert len(reasons) == sum(fence["reason"] is not None for fence in fences)


def test_ci_runs_the_commands_of_the_readme():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ('pip install --quiet -e ".[dev]"', "python -m tests"):
        assert command in gate
        assert command.replace(" --quiet", "") in README


def test_the_reader_of_blocks():
    text = "```python\na = 1\n```\n\n<!-- not run: slow -->\n```python\nb\n```\n```bash\nls\n```\n"
    assert list(blocks_of(text, "python")) == [(2, "a = 1\n")]
    assert list(commands_of("# why\nA=1 python \\\n  x.py --b 'c d'\n")) == [
        ["python", "x.py", "--b", "c d"]
    ]


@pytest.mark.parametrize(
    "command",
    [
        "python recipes/none.py",
        "python -m no_such_module",
        "python -m recipes.no_such.module",
        "pip install x[none]",
        "glimmer bake",
        "glimmer encode preset corpus store --no-such-option",
        "glimmer answer my_glimmer --shop x",
    ],
)
def test_what_is_not_there_is_found(command):
    with pytest.raises(AssertionError):
        check_command(shlex.split(command))


def test_flags_that_are_not_there_are_found():
    with pytest.raises(AssertionError, match="has no --sed"):
        check_command(["python", "-m", "recipes.worlds.fictional_world", "--sed", "0"])
    with pytest.raises(AssertionError, match="has no --step"):
        check_command(["python", "recipes/quickstart.py", "--step", "0"])
