import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from glimmer_keras.data import Task
from glimmer_keras.pipelines.answer import Answer
from glimmer_keras.pipelines.reader import Reader
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import track


def write_predictions(
    reader: Reader,
    task: Task,
    path: str | Path,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> None:
    """Answer the questions of a task into a file of KILT predictions, JSON lines.

    Each is `{"id", "output": [{"answer", "provenance": [{"passage_id", "title", "score"}]}]}`,
    with all passages, the selected ones first and then the others, each by score. The file
    appears when all is written. Interrupted and called again with the same `settings`, it goes
    on where it was.

    Args:
        reader: Answers the questions.
        task: The questions and their ids.
        path: The file, replaced if it is there.
        settings: What the answers depend on, as plain values.
        progress: Whether to show a progress bar in a terminal.

    Raises:
        OSError: If it cannot be written.
    """
    part = Path(f"{path}.part")
    header = json.dumps({"settings": settings, "task": task.fingerprint}, sort_keys=True) + "\n"
    lines = _finished(part, header)
    left = list(task)[len(lines) :]
    answers = track(
        reader.answer_all(example.question for example in left),
        f"Answering {task.name}",
        "questions",
        len(left),
        progress,
    )
    with part.open("w", encoding="utf-8") as file:
        file.write(header + "".join(lines))
        for example, answer in zip(left, answers, strict=True):
            lines.append(json.dumps(prediction(example.id, answer), ensure_ascii=False) + "\n")
            file.write(lines[-1])
            file.flush()
    write_file(path, "".join(lines))
    part.unlink()


def prediction(example_id: str, answer: Answer) -> dict[str, Any]:
    """A line of KILT predictions."""
    provenance = [
        {"passage_id": passage.id, "title": passage.title, "score": passage.score}
        for passage in answer.passages
    ]
    return {"id": example_id, "output": [{"answer": answer.text, "provenance": provenance}]}


def _finished(part: Path, header: str) -> list[str]:
    """Whole lines of an interrupted run of the same settings."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        # Not `splitlines`: an answer may hold other ends of lines. The last line may be cut off.
        first, *lines = part.read_text(encoding="utf-8").split("\n")
        if f"{first}\n" == header:
            return [f"{line}\n" for line in lines[:-1]]
    return []
