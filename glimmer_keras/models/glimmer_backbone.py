import keras
import keras_hub

from glimmer_keras.layers import (
    FiDDecoder,
    JoinQuestion,
    LiveEncoderStage,
    MemoryEncoder,
    PassageScorer,
    RelativePositionBias,
    ReversibleEmbedding,
    T5Norm,
    TopMSelect,
)
from glimmer_keras.layers.feed_forward import get_activation, serialize_activation
from glimmer_keras.layers.normal import Normal, is_loaded_next, loaded_next
from glimmer_keras.layers.weights_only import MODES, WeightsOnly, weights_only
from glimmer_keras.models.inputs import PRIOR, check_inputs, symbolic_inputs
from glimmer_keras.models.layer_counts import layer_counts, print_layers
from glimmer_keras.models.layer_split import LayerSplit
from glimmer_keras.models.presets import check_preset_arguments
from glimmer_keras.models.sizes import size_arguments, system_arguments
from glimmer_keras.utils.checks import check_integer

INT4_BYTES = 0.6  # of a weight, its part of scales and zeros too
INT4_PART = 0.18  # of float32's bytes, what int4 takes at most
# Arguments that come back as they are; `question_encoder` and `activation` do not.
SETTINGS = (
    *("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim"),
    *("key_value_dim", "num_decoder_layers", "live_proportion", "rerank_proportion"),
    *("num_selected", "question_in_decoder", "reranker", "score_pooling", "passage_prior"),
    "train_memory",
    *("dropout", "use_gated_activation", "layer_norm_epsilon", "tie_embedding_weights"),
    *("position_bias_stddev", "cross_attention_key_value_heads", "cross_attention_every"),
    *("relative_attention_num_buckets", "relative_attention_max_distance"),
    *("encoder_block", "num_positions", "question_position", "carried_dim"),
)


@keras.saving.register_keras_serializable(package="glimmer_keras")
class GlimmerBackbone(keras_hub.models.Backbone):
    """FiD, LUMEN and GLIMMER as settings of one encoder-decoder on T5.1.1 blocks.

    Args:
        vocabulary_size: int.
        num_layers: int. `L`, encoder layers in all.
        num_heads: int.
        hidden_dim: int. `d`.
        intermediate_dim: int. Width inside feed-forward blocks.
        key_value_dim: int. Width of one head.
        num_decoder_layers: int or `None` for `num_layers`.
        live_proportion: float. alpha, the share of encoder layers run online; 1 is FiD.
        rerank_proportion: float. beta, the share of live layers in stage A. Unused without
            `num_selected`.
        num_selected: int or `None`. `m`, passages kept after reranking. `None` keeps all and
            has no scorer (FiD, LUMEN).
        question_in_decoder: bool. Whether the decoder reads the question's memory too.
        question_encoder: `"shared"` with the passages' memory encoder, or `"separate"`.
        reranker: `"shared"`: stage A is the first part of the live encoder. `"separate"`:
            it has its own weights, and the whole live encoder reads the selected passages.
        score_pooling: `"first"` token or `"mean"` of tokens.
        passage_prior: bool. Whether the selection and the teacher look at what the first stage
            thinks of each passage, an input of that name (not in the paper). Needs `num_selected`.
        train_memory: bool. `False` freezes the memory encoder and the token embedding, so that
            stored memory stays valid while the rest trains; it has no dropout then.
        dropout: float.
        activation: string. Of the feed-forward blocks.
        use_gated_activation: bool. T5.1.1 has it, T5 1.0 not.
        layer_norm_epsilon: float.
        tie_embedding_weights: bool. Whether the language model head is the token embedding.
        position_bias_stddev: float or `None`. See `RelativePositionBias`.
        cross_attention_key_value_heads: int that divides `num_heads`, or `None` for `num_heads`.
            Heads of keys and values in cross-attention: fewer is grouped-query attention, 1
            multi-query attention (section 3.3).
        cross_attention_every: int. With `n`, only decoder layers `n - 1`, `2 n - 1`, ..., counted
            from 0, have cross-attention (layer sparsity, section 3.3).
        relative_attention_num_buckets, relative_attention_max_distance: int. Of distances between
            tokens, as T5 has them; see `RelativePositionBias`.
        encoder_block: `"t5"`, or `"bert"`, for encoders that start from a BERT. Their position
            biases then start at 0.
        num_positions: int or `None`. See `MemoryEncoder`; of BERT, 512.
        question_position: int. Of `num_positions`, the first of a question's; where it is behind
            all of a passage, layers that read both tell them apart, as BERT's do by segments.
        carried_dim: int. See `MemoryEncoder`: memory is `hidden_dim + 2 * carried_dim` wide.
        dtype: string or `keras.DTypePolicy`.

    Inputs, a dictionary:
        question_token_ids: int `(batch, question_length)`.
        question_padding_mask: bool `(batch, question_length)`.
        passage_token_ids: int `(batch, passages, passage_length)`; or in its place
            `passage_memory`, float `(batch, passages, passage_length, memory_dim)`, or int8 with
            `passage_memory_scales`, float32 `(batch, passages, passage_length)`.
        passage_padding_mask: bool `(batch, passages, passage_length)`; all `False` for a
            missing passage.
        passage_prior: float32 `(batch, passages)`, with the setting of that name alone: the first
            stage's log-probability of each passage, up to a constant. May be left out: passages
            then come in the first stage's order, from 0, and have `-log2(1 + rank)`.
        teacher_log_probs: float32 `(batch, passages)`, with a scorer; looked at in training alone,
            in place of a teacher. May be left out.
        decoder_token_ids: int `(batch, target_length)`.
        decoder_padding_mask: bool `(batch, target_length)`.

    Outputs, a dictionary:
        decoder_sequence_output: `(batch, target_length, hidden_dim)`.
        encoded_passages, encoded_padding_mask: what stage B gave for each selected passage,
            `(batch, m, length, memory_dim)` not normalised, and `(batch, m, length)`.
        and with a scorer:
        passage_scores: float32 `(batch, passages)`, -1e9 for a missing passage.
        passage_ranking: int32 `(batch, passages)`, from best to worst.
        selected_passages: int32 `(batch, m)`, the first of `passage_ranking`.
        live_states, live_padding_mask: what stage B would read of every passage,
            `(batch, passages, length, memory_dim)` and `(batch, passages, length)`.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        key_value_dim=64,
        num_decoder_layers=None,
        live_proportion=1 / 3,
        rerank_proportion=1 / 4,
        num_selected=None,
        question_in_decoder=True,
        question_encoder="shared",
        reranker="shared",
        score_pooling="first",
        passage_prior=False,
        train_memory=True,
        dropout=0.1,
        activation="gelu_approximate",
        use_gated_activation=True,
        layer_norm_epsilon=1e-6,
        tie_embedding_weights=False,
        position_bias_stddev=None,
        cross_attention_key_value_heads=None,
        cross_attention_every=1,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        encoder_block="t5",
        num_positions=None,
        question_position=0,
        carried_dim=0,
        dtype=None,
        **kwargs,
    ):
        for name, value in (("question_encoder", question_encoder), ("reranker", reranker)):
            if value not in ("shared", "separate"):
                raise ValueError(
                    f'`{name}` must be "shared" or "separate". Received: {name}={value!r}'
                )
        for name, value in (
            *(("vocabulary_size", vocabulary_size), ("num_heads", num_heads)),
            *(("hidden_dim", hidden_dim), ("intermediate_dim", intermediate_dim)),
            *(("key_value_dim", key_value_dim), ("num_layers", num_layers)),
        ):
            check_integer(name, value)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be from 0 to under 1. Received: dropout={dropout}")
        reranks = num_selected is not None
        if passage_prior and not reranks:
            raise ValueError(
                "`passage_prior` must be False where no passages are selected. "
                f"Received: passage_prior={passage_prior}, num_selected=None"
            )
        split = LayerSplit(num_layers, live_proportion, rerank_proportion if reranks else None)
        separate_reranker = reranks and reranker == "separate"

        # === Layers ===
        block = {
            "num_heads": num_heads,
            "head_dim": key_value_dim,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "activation": activation,
            "gated": use_gated_activation,
            "dropout": dropout,
            "epsilon": layer_norm_epsilon,
            "dtype": dtype,
        }
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embedding_weights,
            embeddings_initializer=Normal(1.0),
            dtype=dtype,
            name="token_embedding",
        )
        buckets = {
            "num_buckets": relative_attention_num_buckets,
            "max_distance": relative_attention_max_distance,
        }
        encoder = {**block, "block": encoder_block}
        encoder_bias = 0.0 if encoder_block == "bert" else position_bias_stddev
        memory = {
            "position_bias_stddev": encoder_bias,
            "num_positions": num_positions,
            "carried_dim": carried_dim,
            **buckets,
            **encoder,
        }
        self.memory_encoder = MemoryEncoder(split.memory, name="memory_encoder", **memory)
        self.question_encoder = self.memory_encoder
        if question_encoder == "separate":
            self.question_encoder = MemoryEncoder(split.memory, name="question_encoder", **memory)
        self.join_question = JoinQuestion(dtype=dtype, name="join_question")
        self.live_position_bias = RelativePositionBias(
            num_heads,
            stddev=encoder_bias,
            dtype=dtype,
            name="live_position_bias",
            **buckets,
        )
        if reranks:
            self.stage_a = LiveEncoderStage(split.stage_a, name="stage_a", **encoder)
            self.passage_scorer = PassageScorer(
                score_pooling,
                layer_norm_epsilon,
                use_prior=passage_prior,
                dtype=dtype,
                name="passage_scorer",
            )
            self.top_m_select = TopMSelect(num_selected, dtype=dtype, name="top_m_select")
        self.stage_b = LiveEncoderStage(
            split.live if separate_reranker else split.stage_b, name="stage_b", **encoder
        )
        self.encoder_norm = T5Norm(layer_norm_epsilon, dtype=dtype, name="encoder_norm")
        self.encoder_dropout = keras.layers.Dropout(dropout, dtype=dtype, name="encoder_dropout")
        self.decoder = FiDDecoder(
            num_decoder_layers or num_layers,
            memory_dim=hidden_dim + 2 * carried_dim,
            position_bias_stddev=position_bias_stddev,
            cross_attention_key_value_heads=cross_attention_key_value_heads,
            cross_attention_every=cross_attention_every,
            name="decoder",
            **buckets,
            **block,
        )
        if not train_memory:
            self.token_embedding.trainable = False
            self.memory_encoder.trainable = False

        # === Config ===
        given = locals()
        for name in SETTINGS:
            setattr(self, name, given[name])
        self.activation = get_activation(activation)
        self.split = split

        # === Functional model ===
        inputs = symbolic_inputs()
        super().__init__(inputs, self.run(inputs), dtype=dtype, **kwargs)
        if not (tie_embedding_weights or is_loaded_next()):
            # KerasHub starts a head of its own as large as the embeddings; T5 at d^-0.5.
            head = self.token_embedding.reverse_embeddings
            head.assign(head * hidden_dim**-0.5)
        # Two kinds of passage input are allowed, so `call` does the checking.
        self.input_spec = None

    @classmethod
    def from_size(cls, size, system="glimmer", **overrides):
        """Make a model of a named T5.1.1 size and system, with fresh weights.

        Args:
            size: string. `"tiny"`, `"small"`, `"base"`, `"large"`, `"xl"` or `"xxl"`.
            system: string. `"fid"`, `"lumen"` or `"glimmer"`.
            **overrides: constructor arguments that replace theirs.
        """
        return cls(**system_arguments(system, {**size_arguments(size), **overrides}))

    def enable_lora(self, rank, target_layer_names=None):
        """Enable LoRA as in KerasHub; the scorer, which no T5 brings, trains on as a whole.

        Memory is encoded with what LoRA adds, so that it changes with training; presets and
        exports have it merged.
        """
        super().enable_lora(rank, target_layer_names)
        if self.num_selected is not None:
            self.passage_scorer.trainable = True

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Load a backbone as any of KerasHub; `kwargs` are `dtype`, `name` and `trainable`."""
        check_preset_arguments(preset, kwargs, ("dtype", "name", "trainable"))
        with loaded_next(load_weights):
            return super().from_preset(preset, load_weights, **kwargs)

    def quantize(self, mode, config=None):
        """Quantize all matrices and embeddings, in place; what is small stays as it is.

        Products are of floats, weights being turned back on the way. Presets and exports keep
        quantized weights. They do not train; LoRA on top of them does. Nothing is done where they
        are in `mode` already.

        Args:
            mode: `"int8"`, with a scale for each output, a bit over a quarter of float32's bytes;
                or `"int4"`, with a scale and a zero for each 64 inputs, about a sixth. There
                embeddings, which are the language model head too, are int8 where they are so small
                a part of all that 0.18 of float32's bytes are enough.
            config: left out; Keras passes the one of its mode.

        Raises:
            ValueError: If `mode` is another, or the weights are quantized in another.
        """
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}")
        if config is not None and config.weight_quantizer is not None:
            raise ValueError(f"`config` must be left out. Received: config={config}")
        now = self.weights_mode
        if now == mode:
            return
        if now is not None:
            raise ValueError(f"The weights must be floats. Received: mode={mode!r}, they are {now}")
        spoken = self.token_embedding.count_params()
        rest = self.count_params() - spoken
        # What is said hangs on small differences of logits, which int4 blurs.
        roomy = spoken + INT4_BYTES * rest <= INT4_PART * 4 * (spoken + rest)
        for layer in self._flatten_layers():
            if isinstance(layer, WeightsOnly):
                own = "int8" if roomy and layer is self.token_embedding else mode
                layer.quantize(own, config=weights_only(own))
        self._post_quantize(mode)

    @property
    def weights_mode(self):
        """How matrices are quantized: `"int8"`, `"int4"`, or `None`."""
        return self.decoder.blocks[0].feed_forward.down.quantization_mode

    def call(self, inputs, training=None, mask=None):
        self.check(inputs)
        return self.run(inputs, training)

    def check(self, inputs):
        """Raise a `ValueError` unless these are model inputs: names, static shapes and dtypes."""
        check_inputs(inputs, self.memory_dim, self.num_selected, self.passage_prior)

    def run(self, inputs, training=None):
        """Run all layers, on tensors or on symbolic inputs."""
        outputs = self.read(inputs, training)
        outputs["decoder_sequence_output"] = self.decoder(
            self.token_embedding(inputs["decoder_token_ids"]),
            inputs["decoder_padding_mask"],
            **self.decoder_memory(inputs, outputs, training),
            training=training,
        )
        return outputs

    def read(self, inputs, training=None):
        """Run what is before the decoder: memory, stage A, scores, selection, stage B."""
        question = self.encode_question(inputs, training)
        memory = inputs.get("passage_memory")
        if memory is None:
            memory = self.encode_memory(
                inputs["passage_token_ids"], inputs["passage_padding_mask"], training
            )
        scales = inputs.get("passage_memory_scales")
        masks = inputs["question_padding_mask"], inputs["passage_padding_mask"]
        states, mask = self.join_question(question, masks[0], memory, masks[1], scales)
        bias = self.live_position_bias(states)
        outputs = {"question_memory": question}
        if self.num_selected is not None:
            ranked = self.stage_a(states, mask, bias, training=training)
            if self.reranker == "shared":
                states = ranked
            scores = self.passage_scorer(ranked, mask, inputs.get(PRIOR))
            outputs |= {"live_states": states, "live_padding_mask": mask}
            ranking, states, mask = self.top_m_select(scores, states, mask)
            outputs |= {
                "passage_scores": scores,
                "passage_ranking": ranking,
                "selected_passages": ranking[:, : self.num_selected],
            }
        outputs["encoded_passages"] = self.stage_b(states, mask, bias, training=training)
        outputs["encoded_padding_mask"] = mask
        return outputs

    def encode_question(self, inputs, training=None):
        """Encode questions to their memory, float `(batch, question_length, memory_dim)`."""
        return self.question_encoder(
            self.token_embedding(inputs["question_token_ids"]),
            inputs["question_padding_mask"],
            first_position=self.question_position,
            training=training and self.question_encoder.trainable,
        )

    def encode_memory(self, token_ids, padding_mask, training=None):
        """Encode passages to their memory, `MemEnc(P)`, as it is stored.

        Args:
            token_ids: int tensor `(..., length)`.
            padding_mask: bool tensor `(..., length)`.

        Returns:
            A float tensor `(..., length, memory_dim)`.
        """
        training = training and self.memory_encoder.trainable
        return self.memory_encoder(self.token_embedding(token_ids), padding_mask, training=training)

    def finish_encoding(self, states, training=None):
        """Apply the encoder's final normalisation and dropout."""
        return self.encoder_dropout(self.encoder_norm(states), training=training)

    def decoder_memory(self, inputs, outputs, training=None):
        """Turn the result of `read` into the arguments of `FiDDecoder`."""
        memory = {
            "passage_states": self.finish_encoding(outputs["encoded_passages"], training),
            "passage_mask": outputs["encoded_padding_mask"],
        }
        if self.question_in_decoder:
            question = outputs["question_memory"]
            memory["question_states"] = self.finish_encoding(question, training)
            memory["question_mask"] = inputs["question_padding_mask"]
        return memory

    @property
    def memory_dim(self):
        """Width of memory, of the states of live layers and of what the decoder reads."""
        return self.decoder.memory_dim

    layer_counts = property(layer_counts)
    print_layers = print_layers

    @property
    def rematerialize(self):
        """Whether training runs blocks again in the backward pass; set by `Glimmer.compile`."""
        return self.decoder.rematerialize

    @rematerialize.setter
    def rematerialize(self, value):
        self.decoder.rematerialize = value
        encoders = [self.memory_encoder, self.question_encoder, self.stage_b]
        for encoder in encoders if self.num_selected is None else [*encoders, self.stage_a]:
            encoder.rematerialize = value

    def summary(self, *args, print_fn=None, **kwargs):
        super().summary(*args, print_fn=print_fn, **kwargs)
        self.print_layers(print_fn)

    def get_config(self):
        separate = self.question_encoder is not self.memory_encoder
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in SETTINGS},
            "question_encoder": "separate" if separate else "shared",
            "activation": serialize_activation(self.activation),
        }
