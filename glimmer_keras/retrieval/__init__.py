"""First-stage retrieval: from a question to the rows of a corpus."""

from glimmer_keras.retrieval.bm25_retriever import BM25Retriever as BM25Retriever
