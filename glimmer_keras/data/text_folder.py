import re
from collections.abc import Iterator
from pathlib import Path

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.formats.knowledge_source import split_page
from glimmer_keras.data.passage import Passage

SUFFIXES = (".md", ".txt")
HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*")
FENCE = re.compile(r"\s*(```|~~~)")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
MARKS = re.compile(r"(?<!\w)[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?!\w)|^\s*(?:[-*+]|\d+\.)\s+|^>\s?")


def read_texts(folder: str | Path, max_words: int = 100) -> Corpus:
    """Read the .txt and .md files of a folder, and of those in it, as a corpus.

    A file is cut into passages at paragraph and sentence ends. The title of a passage is that of
    its file, its first heading or else its name, and the heading over it. Of Markdown the words
    are taken, without marks, addresses of links and blocks of code.

    Args:
        folder: The folder; hidden files are left out.
        max_words: Greatest number of words in a passage.

    Returns:
        A `Corpus` with ids of `path#number`, in the order of the paths.

    Raises:
        NotADirectoryError: If there is no such folder.
        ValueError: If it holds no text, or a file is not UTF-8.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"`folder` must be a folder. Received: {str(folder)!r}")
    passages = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not hidden:
            for number, (title, text) in enumerate(_pieces(path, max_words)):
                passages.append(Passage(f"{name.as_posix()}#{number}", title, text))
    if not passages:
        raise ValueError(
            f"`folder` must hold .txt or .md files with text. Received: {str(folder)!r}"
        )
    return Corpus(passages)


def _pieces(path: Path, max_words: int) -> Iterator[tuple[str, str]]:
    """Yield titles and texts of the passages of a file."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be UTF-8: {error}") from error
    sections = list(_sections(content, path.suffix.lower() == ".md"))
    headings = [heading for heading, _ in sections if heading]
    name = headings[0] if headings else path.stem.replace("_", " ").replace("-", " ")
    for heading, paragraphs in sections:
        title = name if heading in ("", name) else f"{name}, {heading}"
        for text, _, _ in split_page(paragraphs, max_words=max_words):
            yield title, text


def _sections(content: str, is_markdown: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield headings, the first one empty, and the paragraphs under each."""
    heading, paragraphs, lines, in_code = "", list[str](), list[str](), False

    def close() -> None:
        if lines:
            paragraphs.append(" ".join(lines))
            lines.clear()

    for line in content.splitlines():
        if is_markdown and FENCE.match(line):
            in_code = not in_code
            continue
        if in_code:
            continue
        found = HEADING.fullmatch(line.strip()) if is_markdown else None
        if found:
            close()
            yield heading, paragraphs
            heading, paragraphs = MARKS.sub("", LINK.sub(r"\1", found[1])), []
        elif not line.strip():
            close()
        else:
            lines.append(MARKS.sub("", LINK.sub(r"\1", line.strip())) if is_markdown else line)
    close()
    yield heading, paragraphs
