import os
import sys
import tempfile


def start_keras() -> None:
    """Import Keras and TensorFlow without the lines that TensorFlow writes as it starts.

    It writes them to the file descriptor before it reads a setting, `TF_CPP_MIN_LOG_LEVEL` too.
    Where the import fails, they are shown.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            import keras_hub  # noqa: F401  imports Keras and TensorFlow
        except BaseException:
            written.seek(0)
            os.write(stderr, written.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
