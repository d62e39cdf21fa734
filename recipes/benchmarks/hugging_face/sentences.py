"""Embeds texts by sentence-transformers, in the Python that has it; see benchmarks/retrieval.py."""

import json
import sys
from pathlib import Path

import numpy as np


def main(model: str, texts: str, output: str) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu")
    groups = json.loads(Path(texts).read_text())
    np.savez(output, *(encoder.encode(group, batch_size=64) for group in groups))


if __name__ == "__main__":
    main(*sys.argv[1:])
