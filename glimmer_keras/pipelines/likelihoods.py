import numpy as np
from keras import ops

from glimmer_keras.data import PassageInputs, TokenizedTask
from glimmer_keras.losses import answer_log_prob
from glimmer_keras.models import Glimmer
from glimmer_keras.utils.progress import Progress


def answer_likelihoods(
    glimmer: Glimmer,
    task: TokenizedTask,
    corpus: PassageInputs,
    batch_size: int = 32,
    reduction: str = "mean",
    progress: bool = True,
) -> np.ndarray:
    """Compute what each retrieved passage alone tells a reader of an example's first answer.

    It is the teacher of perplexity distillation (section 3.2), asked once: with
    `TokenizedTask.with_likelihoods` training asks none. Order by it, and its recall is the most
    that distillation can teach.

    Args:
        glimmer: A reader without a scorer, FiD or LUMEN.
        task: Examples with their retrieved rows set.
        corpus: What the rows count in.
        batch_size: Passages read at once.
        reduction: `"mean"` or `"sum"` over the tokens of an answer.
        progress: Whether to show a progress bar in a terminal.

    Returns:
        float32 `(examples, passages)`, `-inf` for a missing passage.

    Raises:
        ValueError: If the reader selects passages, or the retrieved rows are not set.
    """
    if glimmer.backbone.num_selected is not None:
        raise ValueError(
            "`glimmer` must read each passage alone, without a scorer. "
            f"Received: num_selected={glimmer.backbone.num_selected}"
        )
    rows = task.rows(slice(None))
    examples, columns = np.nonzero(rows >= 0)
    likelihoods = np.full(rows.shape, -np.inf, "float32")
    with Progress(f"Reading {task.name}", len(examples), "passages", progress) as shown:
        for start in range(0, len(examples), batch_size):
            # One shape for all batches: the last is filled up.
            taken = np.minimum(np.arange(start, start + batch_size), len(examples) - 1)
            places = examples[taken], columns[taken]
            alone = task.batch(places[0], np.zeros_like(places[0]), _One(corpus, places[1]))
            inputs, labels, weights = alone
            logits = glimmer.predict_on_batch(inputs)["logits"]
            log_probs = answer_log_prob(logits, labels, weights, reduction)
            likelihoods[places] = ops.convert_to_numpy(log_probs)
            shown.advance(min(batch_size, len(examples) - start))
    return likelihoods


class _One:
    """Of the retrieved rows of each example the one in a column."""

    def __init__(self, corpus: PassageInputs, columns: np.ndarray) -> None:
        self.corpus, self.columns, self.spec = corpus, columns, corpus.spec

    def __len__(self) -> int:
        return len(self.corpus)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return self.corpus.inputs(np.take_along_axis(rows, self.columns[:, None], axis=1))
