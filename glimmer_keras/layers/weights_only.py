import keras

MODES = ("int8", "int4")
BLOCK_SIZE = 64  # inputs that share a scale in int4


class WeightsOnly(keras.layers.Layer):
    """Of a Keras layer that can be quantized: its weights are, and products stay those of floats.

    int8 has a scale for each output, int4 a scale and a zero for each 64 inputs of it.
    """

    def quantize(self, mode=None, type_check=False, config=None):
        super().quantize(mode, type_check=False, config=config)

    def quantized_build(self, shape, mode, config=None):
        # A preset brings the policies of all layers; saving asks for this one's.
        if isinstance(self.dtype_policy, keras.dtype_policies.DTypePolicyMap):
            self._dtype_policy = self.dtype_policy[self.path]
        if config is None and mode in MODES:  # of a preset
            config = weights_only(mode, getattr(self.dtype_policy, "block_size", None))
        super().quantized_build(shape, mode, config)


def weights_only(mode, block_size=BLOCK_SIZE):
    """The `keras.quantizers.QuantizationConfig` of a mode."""
    if mode == "int8":
        return keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    return keras.quantizers.Int4QuantizationConfig(block_size=block_size)
