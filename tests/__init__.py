import os

# JAX compiles each operation of an eager step apart, which takes longer than compiling the step.
EAGERLY = os.environ.get("KERAS_BACKEND") != "jax"
