from pathlib import Path

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.padding import padding_mask
from glimmer_keras.data.token_cache import Create, cache_key, cached_arrays
from glimmer_keras.data.token_ids import fill_tokens, report_truncated, spec_key
from glimmer_keras.data.token_spec import TokenSpec
from glimmer_keras.utils.progress import Progress


class TokenizedCorpus:
    """The passages of a corpus as token ids, each closed by the end token.

    Made by `tokenize_corpus`.

    Args:
        token_ids: Integers `(passages, length)`, uint16 where the vocabulary fits.
        lengths: int32 `(passages,)`, tokens without padding.
        spec: The tokenizer they were made with.
        truncated: Number of passages that were longer.
        fingerprint: Tells these tokens from others: texts, tokenizer and length.
    """

    def __init__(
        self,
        token_ids: np.ndarray,
        lengths: np.ndarray,
        spec: TokenSpec,
        truncated: int,
        fingerprint: str,
    ) -> None:
        self.token_ids = token_ids
        self.lengths = lengths
        self.spec = spec
        self.truncated = truncated
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.token_ids)

    def __repr__(self) -> str:
        return (
            f"TokenizedCorpus({len(self)} passages of {self.passage_length} tokens, "
            f"{self.truncated} truncated)"
        )

    @property
    def passage_length(self) -> int:
        return self.token_ids.shape[1]

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up the tokens of passages.

        Args:
            rows: Integers `(...)`; -1 gives a row of padding.

        Returns:
            int32 token ids `(..., length)`, and their boolean mask, true on real tokens.
        """
        rows = np.asarray(rows)
        present = rows >= 0
        safe = np.where(present, rows, 0)
        lengths = np.where(present, self.lengths[safe], 0)
        mask = padding_mask(lengths, self.passage_length)  # (..., length)
        return np.where(mask, self.token_ids[safe], self.spec.pad_id).astype("int32"), mask

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Name what `gather` gives as the model takes it: `passage_token_ids` and their mask."""
        ids, mask = self.gather(rows)
        return {"passage_token_ids": ids, "passage_padding_mask": mask}


def tokenize_corpus(
    corpus: Corpus,
    spec: TokenSpec,
    passage_length: int,
    cache_dir: str | Path | None = None,
    progress: bool = True,
) -> TokenizedCorpus:
    """Tokenise the passages of a corpus, once.

    Args:
        corpus: The passages; `Passage.content` is tokenised.
        spec: The tokenizer.
        passage_length: Tokens of a passage, the end token among them; longer ones are cut.
        cache_dir: Where tokens are kept on disk and found again, memory-mapped; `None` for
            memory only.
        progress: Whether to show a progress bar in a terminal.
    """
    key = cache_key("corpus", corpus.fingerprint, *spec_key(spec), passage_length)

    def contents(part: slice) -> list[str]:
        return [passage.content for passage in corpus[part]]

    def make(create: Create) -> dict[str, int]:
        size = len(corpus), passage_length
        with Progress("Tokenising", len(corpus), "passages", progress) as shown:
            cut = fill_tokens(create, "", contents, *size, spec.end_id, spec, shown.advance)
        return {"truncated": cut}

    arrays, counts = cached_arrays(cache_dir, key, make)
    report_truncated(counts["truncated"], len(corpus), "passages", passage_length)
    return TokenizedCorpus(arrays["token_ids"], arrays["lengths"], spec, counts["truncated"], key)
