"""`glimmer serve`: a model's SavedModel behind TensorFlow Serving's REST paths, and the page.

It is for one machine, to try a model; nothing here writes exports, and nothing else imports it.
"""
