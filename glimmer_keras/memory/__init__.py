"""Memory of passages on disk: written once, read in parallel by id.

It takes memory as arrays and gives it as arrays; no model, tokenizer or retriever is known here.
"""

from glimmer_keras.memory.memory_batch import MemoryBatch as MemoryBatch
from glimmer_keras.memory.memory_store import MemoryStore as MemoryStore
from glimmer_keras.memory.product_quantizer import ProductQuantizer as ProductQuantizer
from glimmer_keras.memory.store_writer import StoreWriter as StoreWriter
from glimmer_keras.memory.stored_passage import StoredPassage as StoredPassage
from glimmer_keras.utils.manifest import CorruptFileError as CorruptFileError

CorruptStoreError = CorruptFileError
