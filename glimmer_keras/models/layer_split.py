import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerSplit:
    """How the `L` encoder layers are dealt out to the memory, stage A and stage B (section 3.1).

    Args:
        num_layers: `L`, encoder layers in all.
        live_proportion: alpha, 0 to 1.
        rerank_proportion: beta, over 0 and up to 1, or `None` without a reranker.

    `alpha L` and `beta alpha L` are rounded to the nearest layer, halves up; a reranker has at
    least one layer.
    """

    num_layers: int
    live_proportion: float
    rerank_proportion: float | None = None

    def __post_init__(self):
        if not 0 <= self.live_proportion <= 1:
            raise ValueError(
                "`live_proportion` must be from 0 to 1. "
                f"Received: live_proportion={self.live_proportion}"
            )
        beta = self.rerank_proportion
        if beta is None:
            return
        if not 0 < beta <= 1:
            raise ValueError(
                "`rerank_proportion` must be over 0 and at most 1 where passages are reranked. "
                f"Received: rerank_proportion={beta}"
            )
        if self.live == 0:
            raise ValueError(
                "`live_proportion` must leave at least one live layer to rerank with. "
                f"Received: live_proportion={self.live_proportion}, num_layers={self.num_layers}"
            )

    @property
    def live(self):
        return math.floor(self.live_proportion * self.num_layers + 0.5)

    @property
    def memory(self):
        return self.num_layers - self.live

    @property
    def stage_a(self):
        if self.rerank_proportion is None:
            return 0
        exact = self.rerank_proportion * self.live_proportion * self.num_layers
        return min(self.live, max(1, math.floor(exact + 0.5)))

    @property
    def stage_b(self):
        return self.live - self.stage_a
