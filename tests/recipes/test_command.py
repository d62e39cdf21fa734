import pytest

from recipes.command import OneLineParser, exit_code


@pytest.mark.parametrize(
    ("raised", "code", "printed"),
    [
        (None, 0, ""),
        (ValueError("`a` must be 1.\n  Received: 2"), 2, "error: `a` must be 1. Received: 2\n"),
        (FileNotFoundError("x"), 2, "error: x\n"),
        (KeyboardInterrupt(), 130, "Stopped; the same command goes on\n"),
    ],
)
def test_exit_codes(capsys, raised, code, printed):
    @exit_code
    def main(argv=None):
        if raised:
            raise raised

    assert main([]) == code
    assert capsys.readouterr().err == printed


def test_other_errors_are_defects():
    @exit_code
    def main(argv=None):
        raise KeyError("a")

    with pytest.raises(KeyError):
        main([])


def test_an_unknown_option_is_one_line(capsys):
    main = exit_code(lambda argv=None: OneLineParser().parse_args(argv))
    assert main(["--much"]) == 2
    assert capsys.readouterr().err == "error: unrecognized arguments: --much\n"
