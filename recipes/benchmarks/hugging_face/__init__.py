"""Hugging Face's T5 as a peer: child processes under any Python with torch and transformers.

They import nothing of the package, which that Python need not have; `peer` starts them.
"""
