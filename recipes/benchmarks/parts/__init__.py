"""What the benchmarks time: models with random weights, and the calls, processes and data of them.

A part measures nothing that a benchmark reports on its own, and prints nothing but as a child.
"""
