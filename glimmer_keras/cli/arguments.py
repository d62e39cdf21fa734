import argparse

CORPUS_HELP = (
    "passages: a file of any format that `glimmer_keras.data.PassageFile` lists, or a folder of "
    "glimmer corpus or of .txt and .md files"
)
QUESTIONS_HELP = "questions: a file of any format that `glimmer_keras.data.read_task` lists"


def positive(text: str) -> int:
    """Read an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1. Received: {text}")
    return int(text)


def port(text: str) -> int:
    """Read the number of a port; 0 is one that the system picks."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535. Received: {text}")
    return int(text)
