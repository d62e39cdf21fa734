class CorruptStoreError(ValueError):
    """What is on disk is not what was written; the message names the passage or the file."""
