"""First-stage retrieval: from a question to the rows of a corpus.

It ranks texts and vectors that come from elsewhere; no model embeds anything here.
"""

from glimmer_keras.retrieval.bm25_retriever import BM25Retriever as BM25Retriever
from glimmer_keras.retrieval.dense_retriever import DenseRetriever as DenseRetriever
from glimmer_keras.retrieval.faiss_index import FaissIndex as FaissIndex
from glimmer_keras.retrieval.fused_retriever import FusedRetriever as FusedRetriever
from glimmer_keras.retrieval.retriever import Retriever as Retriever
from glimmer_keras.retrieval.vector_store import VectorStore as VectorStore
