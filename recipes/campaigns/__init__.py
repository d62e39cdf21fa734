"""Programs that treat the package badly and count what comes of it: faults, kills and load.

They measure no times; those are in `benchmarks`.
"""
