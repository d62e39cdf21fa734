"""The `glimmer` command: a thin module for each of its subcommands.

Beside argument parsing and printing nothing may live here; what is heavy is imported in `run`.
"""
