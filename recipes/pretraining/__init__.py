"""What is trained from nothing: small T5s as readers, tokenizers, and a small encoder of texts.

The training loop is the package's; data come from files or from `recipes.worlds`.
"""
