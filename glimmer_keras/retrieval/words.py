"""What BM25 takes for words, in any script."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

# What English writes behind an apostrophe, no word by itself.
SHORTENED = re.compile(r"['’](?:s|t|d|m|ll|re|ve)\b", re.IGNORECASE)
# A capital within a sentence is a name, as in "vitamin A", not the article.
NAMED_A = re.compile(r"(?<=\w )A\b(?!['’-])")
# Scripts without blanks between words: Thai, Lao, Burmese, Khmer, Kana, Han.
WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
UNBROKEN = re.compile(f"[{WITHOUT_BLANKS}]+|[^{WITHOUT_BLANKS}]+")
WITH_BLANKS = re.compile(f"[^{WITHOUT_BLANKS}]")

# Beside the stop words of Lucene, which has "is" and "was" but not these.
AUXILIARIES = {"been", "did", "do", "does", "had", "has", "have", "were"}

Stem = Callable[[list[str]], list[str]]


class Words:
    """Splits texts into the words that are indexed and searched for.

    Words are runs of letters, digits and the marks on them, also of one character, in Unicode's
    compatibility form and without case. Of scripts that put no blanks between words, such as
    Japanese, Chinese and Thai, pairs of characters are taken. English stop words and auxiliary
    verbs are left out.

    Args:
        stemming: Language by which words are stemmed, such as `"english"`; `None` for none.

    Raises:
        ImportError: If the extra `stemming` is not installed.
        ValueError: If there is no stemmer for the language.
    """

    def __init__(self, stemming: str | None = None) -> None:
        from bm25s.stopwords import STOPWORDS_EN

        self.stemming = stemming
        self._stop = frozenset(STOPWORDS_EN) | AUXILIARIES
        self._stem = _stemmer(stemming) if stemming is not None else None

    def __call__(self, texts: Iterable[str]) -> list[list[str]]:
        """Split each text; one without words has none."""
        return [self._split(text) for text in texts]

    def _split(self, text: str) -> list[str]:
        text = NAMED_A.sub("a_", SHORTENED.sub(" ", unicodedata.normalize("NFKC", text)))
        words: list[str] = []
        for word in _word().findall(text.casefold()):
            if word.isascii():
                words.append(word)
                continue
            for part in UNBROKEN.findall(word):
                words += [part] if WITH_BLANKS.match(part) else _pairs(part)
        words = [word for word in words if word not in self._stop]
        return words if self._stem is None else self._stem(words)


def _pairs(text: str) -> list[str]:
    return [text[n : n + 2] for n in range(max(1, len(text) - 1))]


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits with their marks, at which Python breaks words."""
    marks = [
        chr(code)
        for code in range(0x300, sys.maxunicode)
        if unicodedata.category(chr(code)).startswith("M")
    ]
    ranges: list[list[str]] = []
    for mark in marks:
        if ranges and ord(mark) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = mark
        else:
            ranges.append([mark, mark])
    return re.compile(rf"[\w{''.join(f'{first}-{last}' for first, last in ranges)}]+")


def _stemmer(language: str) -> Stem:
    try:
        import Stemmer
    except ImportError as error:
        raise ImportError(
            "`stemming` needs an extra: pip install glimmer_keras[stemming]"
        ) from error
    if language not in Stemmer.algorithms():
        raise ValueError(
            f"`stemming` must be one of {', '.join(Stemmer.algorithms())}. Received: {language!r}"
        )
    return Stemmer.Stemmer(language).stemWords
