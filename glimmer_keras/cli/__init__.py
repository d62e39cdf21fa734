"""The `glimmer` command: a thin module for each of its commands."""
