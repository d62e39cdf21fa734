import re
from collections.abc import Iterator, Sequence

from glimmer_keras.data.formats.registry import register
from glimmer_keras.data.jsonl import Record, take, take_id
from glimmer_keras.data.passage import Passage
from glimmer_keras.utils.checks import check_integer

SECTION = "Section::::"
BULLET = re.compile(r"^BULLET::::-*\s*")
# After an initial ("J. Smith", "U.S. Army") a full stop ends no sentence.
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)[\"')\]”’]*\s+(?=[\"'(\[“‘]?[A-Z0-9])")


@register("corpus", "knowledge_source", "wikipedia_title", "text")
def passages_of(record: Record, where: str, max_words: int) -> Iterator[Passage]:
    """Cut a page of KILT's knowledge source into passages of at most `max_words` words.

    The page is `{"wikipedia_id", "wikipedia_title", "text": [paragraph, ...]}`, with `_id` for a
    missing `wikipedia_id`. Passage `n` of it, from 0, has the id `{wikipedia_id}-{n}` and remembers
    its paragraphs; a page without text has none.
    """
    page_id = take_id(record, "wikipedia_id" if "wikipedia_id" in record else "_id", where)
    title = take(record, "wikipedia_title", str, where)
    paragraphs = take(record, "text", list, where)
    if not all(isinstance(paragraph, str) for paragraph in paragraphs):
        raise ValueError(f"{where}: field `text` must be a list of strings")
    for number, (text, first, last) in enumerate(split_page(paragraphs, title, max_words)):
        yield Passage(f"{page_id}-{number}", title, text, page_id, first, last)


def split_sentences(text: str) -> list[str]:
    """Cut text at sentence ends; joined by blanks the parts give the text again."""
    sentences, start = [], 0
    for end in SENTENCE_END.finditer(text):
        sentences.append(text[start : end.end()].strip())
        start = end.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def split_page(
    paragraphs: Sequence[str], title: str = "", max_words: int = 200
) -> list[tuple[str, int, int]]:
    """Cut the paragraphs of a KILT page into passages of at most `max_words` words.

    Passages end at sentence ends and run over paragraphs; a longer sentence is cut at words.
    The title in paragraph 0 and `Section::::` headings carry no text, but count as part of the
    passage that follows them; `BULLET::::-` marks are removed.

    Returns:
        `(text, first paragraph, last paragraph)` for each passage, paragraphs inclusive.
    """
    check_integer("max_words", max_words)
    passages: list[tuple[str, int, int]] = []
    words: list[str] = []
    first, last = 0, -1
    for number, sentence in _sentences(paragraphs, title):
        for start in range(0, len(sentence), max_words):
            part = sentence[start : start + max_words]
            if words and len(words) + len(part) > max_words:
                passages.append((" ".join(words), first, last))
                # A heading between the two belongs to the passage that begins here.
                first = number if number == last else last + 1
                words = []
            words += part
            last = number
    if words:
        passages.append((" ".join(words), first, max(last, len(paragraphs) - 1)))
    return passages


def _sentences(paragraphs: Sequence[str], title: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of each sentence with the number of its paragraph."""
    for number, paragraph in enumerate(paragraphs):
        text = " ".join(paragraph.split())
        if text.startswith(SECTION) or (number == 0 and text == " ".join(title.split())):
            continue
        for sentence in split_sentences(BULLET.sub("", text)):
            yield number, sentence.split()
