"""The paper's comparisons in direction: what is trained, how it is scored, and the report of it.

Models, losses and metrics are the package's; nothing here may be needed by any other recipe.
"""
