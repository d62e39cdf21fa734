"""A stand-in for TensorFlow Serving, for trying a model and for tests.

It runs as a program of its own on tensorflow, grpc and the exported files: `__main__.py` loads this
folder without the package around it, so its modules import only each other.
"""
