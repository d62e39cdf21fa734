"""Small invented worlds in the shape of KILT, whose facts stand in their passages alone.

They are data, made from a seed; nothing here knows a model.
"""
