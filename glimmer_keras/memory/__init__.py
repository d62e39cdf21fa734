"""Memory of passages on disk: written once, read in parallel by id."""

from glimmer_keras.memory.corrupt_store_error import CorruptStoreError as CorruptStoreError
from glimmer_keras.memory.memory_batch import MemoryBatch as MemoryBatch
from glimmer_keras.memory.memory_store import MemoryStore as MemoryStore
from glimmer_keras.memory.store_writer import StoreWriter as StoreWriter
from glimmer_keras.memory.stored_passage import StoredPassage as StoredPassage
