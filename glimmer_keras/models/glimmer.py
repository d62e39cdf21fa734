import keras
import keras_hub
from keras import ops

from glimmer_keras.distribution.hosts import whole
from glimmer_keras.distribution.replicas import logs_of_replica, mean_over_replicas, num_replicas
from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.layers.top_m_select import gather_passages
from glimmer_keras.losses import perplexity_distillation
from glimmer_keras.losses.perplexity_distillation import DIRECTIONS
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.models.glimmer_preprocessor import GlimmerPreprocessor
from glimmer_keras.models.hugging_face import from_hugging_face, save_to_hugging_face
from glimmer_keras.models.inputs import answer_mask, check_inputs, check_preset_arguments
from glimmer_keras.models.t5_weights import from_t5
from glimmer_keras.models.teacher import teacher_log_probs
from glimmer_keras.optimizers.adafactor import Adafactor


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Glimmer(keras_hub.models.Seq2SeqLM):
    """A reader that answers questions from passages, cheaper than Fusion-in-Decoder.

    A KerasHub task: `compile`, `fit`, `evaluate`, `generate`, `from_preset` and
    `save_to_preset` work as in any other. FiD, LUMEN and the paper's ablations are settings of
    its `GlimmerBackbone`.

    Args:
        backbone: a `GlimmerBackbone`.
        preprocessor: a `GlimmerPreprocessor`, or `None` to feed token ids.

    Call arguments: the dictionary of `GlimmerBackbone`.

    Returns, as a dictionary:
        logits: `(batch, target_length, vocabulary_size)`, and with a scorer
        passage_scores: float32 `(batch, passages)`, -1e9 for a missing passage.
        selected_passages: int32 `(batch, m)`, best first.

    Example:
    ```python
    glimmer = glimmer_keras.Glimmer.from_t5("t5_1.1_base", num_selected=5)
    glimmer.fit(dataset)
    glimmer.generate({"questions": ["who wrote fidelio"], "passages": [["Fidelio: ..."]]})
    ```
    """

    backbone_cls = GlimmerBackbone
    preprocessor_cls = GlimmerPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor

        # === Functional model ===
        inputs = backbone.input
        super().__init__(inputs, self._answer_outputs(backbone(inputs)), **kwargs)
        self.input_spec = None

    @classmethod
    def from_size(cls, size, system="glimmer", preprocessor=None, **overrides):
        """A model with fresh weights. See `GlimmerBackbone.from_size`."""
        return cls(GlimmerBackbone.from_size(size, system, **overrides), preprocessor)

    @classmethod
    def fid(cls, size="base", preprocessor=None, **overrides):
        """Fusion-in-Decoder: every encoder layer live, all passages read."""
        return cls.from_size(size, "fid", preprocessor, **overrides)

    @classmethod
    def lumen(cls, size="base", preprocessor=None, **overrides):
        """LUMEN: a third of the encoder live, all passages read."""
        return cls.from_size(size, "lumen", preprocessor, **overrides)

    @classmethod
    def glimmer(cls, size="base", preprocessor=None, **overrides):
        """GLIMMER: a third of the encoder live, a quarter of that reranks, 5 passages read."""
        return cls.from_size(size, "glimmer", preprocessor, **overrides)

    from_t5 = classmethod(from_t5)
    from_hugging_face = classmethod(from_hugging_face)
    save_to_hugging_face = save_to_hugging_face

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A model that `save_to_preset` wrote, on this backend or another.

        Args:
            preset: path, or address that KerasHub knows, of a preset.
            load_weights: bool. `False` takes the settings and fresh weights.
            **kwargs: `dtype`, `name`, `preprocessor` or `trainable`. All else is the preset's.
        """
        check_preset_arguments(kwargs, ("dtype", "name", "preprocessor", "trainable"))
        with loaded_next(load_weights):
            return super().from_preset(preset, load_weights, **kwargs)

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        distillation_weight=1.0,
        distillation_temperature=1.0,
        distillation_direction="lm_to_rank",
        answer_reduction="mean",
        rematerialize=False,
        weighted_metrics="auto",
        sampler="greedy",
        jit_compile="auto",
        **kwargs,
    ):
        """Configure training and generation.

        The loss is the language model's plus `distillation_weight` times
        `glimmer_keras.losses.perplexity_distillation` (section 3.2).

        Args:
            optimizer: `"auto"` is the paper's: Adafactor at a constant 1e-4.
            loss: `"auto"` is the cross-entropy of the answer, averaged over its tokens.
            distillation_weight: float, lambda. 0 leaves the scorer untrained and the teacher
                out. Unused without a scorer.
            distillation_temperature: float over 0, tau.
            distillation_direction: `"lm_to_rank"`, or `"rank_to_lm"` as the paper prints it.
            answer_reduction: `"mean"` or `"sum"` of the log-probabilities of an answer's
                tokens, in the teacher.
            rematerialize: bool. Whether training runs each block of the encoders and the decoder
                again in the backward pass rather than keep what is inside it: less memory, and
                up to a third more work.
            weighted_metrics: `"auto"` is `token_accuracy`.
            sampler: a KerasHub sampler or its name.
            jit_compile: as in `keras.Model.compile`. On TensorFlow `"auto"` leaves XLA out with
                several replicas and without a GPU, where it compiles decoding alone.
            **kwargs: as in `keras.Model.compile`.
        """
        if distillation_weight < 0:
            raise ValueError(
                "`distillation_weight` must be 0 or more. "
                f"Received: distillation_weight={distillation_weight}"
            )
        if not distillation_temperature > 0:
            raise ValueError(
                "`distillation_temperature` must be over 0. "
                f"Received: distillation_temperature={distillation_temperature}"
            )
        if distillation_direction not in DIRECTIONS:
            raise ValueError(
                f"`distillation_direction` must be one of {DIRECTIONS}. "
                f"Received: distillation_direction={distillation_direction!r}"
            )
        if optimizer == "auto":
            optimizer = Adafactor(1e-4)
        self._mean_over_tokens = loss == "auto"
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy(name="token_accuracy")]
        # What "auto" means depends on the machine, so a saved configuration keeps what was asked.
        self._jit_asked = jit_compile
        if jit_compile == "auto" and keras.backend.backend() == "tensorflow":
            # On a CPU XLA encodes no faster than TensorFlow, and draws dropout 8 times slower; and
            # it does not compile the sums over replicas.
            jit_compile = _has_gpu() and num_replicas() == 1
        super().compile(
            optimizer,
            loss,
            weighted_metrics=weighted_metrics,
            sampler=sampler,
            jit_compile=jit_compile,
            **kwargs,
        )
        self.distillation_weight = distillation_weight
        self.distillation_temperature = distillation_temperature
        self.distillation_direction = distillation_direction
        self.answer_reduction = answer_reduction
        self.backbone.rematerialize = rematerialize
        if not hasattr(self, "_lm_loss"):
            self._lm_loss = keras.metrics.Mean("lm_loss")
            self._distillation_loss = keras.metrics.Mean("distillation_loss")
            self._selection_agreement = keras.metrics.Mean("selection_agreement")

    def get_compile_config(self):
        return {
            **super().get_compile_config(),
            "distillation_weight": self.distillation_weight,
            "distillation_temperature": self.distillation_temperature,
            "distillation_direction": self.distillation_direction,
            "answer_reduction": self.answer_reduction,
            "rematerialize": self.backbone.rematerialize,
            "jit_compile": self._jit_asked,
            "sampler": keras_hub.samplers.serialize(self.sampler),
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, *args, shuffle=False, **kwargs):
        """As `keras.Model.fit`, but data come in the order given: KerasHub tasks never shuffle."""
        if isinstance(x, dict) and "answers" in x and self.preprocessor is not None:
            # Before `tf.data`, where an error has a graph for a message.
            self.preprocessor.check_answers(x["answers"])
        return super().fit(x, *args, shuffle=shuffle, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and num_replicas() > 1:
            # Keras adds up the replicas' parts of the first batch, which it does for the shapes
            # alone; masks have no sum.
            parts = self.distribute_strategy.experimental_local_results
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(lambda x: parts(x)[0], next(batches))
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    @property
    def distils(self):
        """Whether the training step has a teacher."""
        return self.backbone.num_selected is not None and self.distillation_weight > 0

    @property
    def metrics(self):
        idle = () if self.distils else (self._distillation_loss, self._selection_agreement)
        return [m for m in super().metrics if not any(m is other for other in idle)]

    def call(self, inputs, training=None, mask=None):
        outputs = self.backbone(inputs, training=training)
        answers = self._answer_outputs(outputs)
        if training and self.distils:
            # What the teacher reuses goes to `compute_loss` in `y_pred`, as JAX needs it.
            answers["backbone_outputs"] = outputs
        return answers

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred["logits"], sample_weight, training)
        # Keras divides what it computes by the replicas, as their gradients are summed.
        rows, replicas = ops.shape(y)[0], num_replicas()
        if replicas > 1 and self._mean_over_tokens and sample_weight is not None:
            # The mean over the tokens of all replicas, not of their means.
            tokens = ops.sum(ops.cast(sample_weight, loss.dtype))
            loss = loss * tokens / mean_over_replicas(tokens)
        self._lm_loss.update_state(loss * replicas, rows)
        if not self.distils:
            # The scorer gets a gradient of 0 rather than none, of which optimizers warn.
            return loss + 0.0 * ops.sum(y_pred.get("passage_scores", 0.0))
        outputs = y_pred.get("backbone_outputs")
        if outputs is None:
            outputs = self.backbone(x, training=False)
        if sample_weight is None:
            sample_weight = ops.ones_like(y, "float32")
        log_probs = teacher_log_probs(
            self,
            x,
            outputs,
            y,
            sample_weight,
            self.answer_reduction,
            reuse=not (training and self.backbone.dropout),
        )
        ranking = outputs["passage_ranking"]
        present = ops.any(outputs["live_padding_mask"], axis=-1)
        scores, present = (
            gather_passages(t, ranking) for t in (outputs["passage_scores"], present)
        )
        distillation = perplexity_distillation(
            scores, log_probs, present, self.distillation_temperature, self.distillation_direction
        )
        distillation = ops.mean(distillation)
        best = ops.argmax(ops.where(present, log_probs, -float("inf")), axis=-1)
        agreement = ops.cast(best < self.backbone.num_selected, "float32")
        self._distillation_loss.update_state(distillation, rows)
        self._selection_agreement.update_state(agreement)
        return loss + self.distillation_weight * distillation / replicas

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return logs_of_replica(super().compute_metrics(x, y, y_pred["logits"], sample_weight))

    def logits(self, hidden_states):
        """The language model head: `(..., hidden_dim)` to `(..., vocabulary_size)`."""
        if self.backbone.tie_embedding_weights:
            hidden_states = hidden_states * self.backbone.hidden_dim**-0.5
        return self.backbone.token_embedding(hidden_states, reverse=True)

    def make_generate_function(self):
        function = super().make_generate_function()

        def checked(inputs, stop_token_ids=None):
            # Before it is traced: there an error has a traceback for a message.
            check_inputs(inputs, self.backbone.hidden_dim, self.backbone.num_selected)
            return keras.tree.map_structure(whole, function(inputs, stop_token_ids))

        return checked

    def generate_step(self, inputs, stop_token_ids=None):
        """Answer one batch of model inputs, the decoder's being start tokens and padding."""
        check_inputs(inputs, self.backbone.hidden_dim, self.backbone.num_selected)
        outputs = self.backbone.read(inputs)
        answer = self.answer_from
        if keras.backend.backend() == "tensorflow" and self._jit_asked == "auto" and not _has_gpu():
            import tensorflow as tf

            if not tf.executing_eagerly():
                # On a CPU XLA makes 1.6 times the tokens a second, but encodes no faster.
                answer = tf.function(answer, jit_compile=True, autograph=False)
        return answer(inputs, outputs, stop_token_ids)

    def answer_from(self, inputs, outputs, stop_token_ids=None, memory=None, sampler=None):
        """Answer a batch that has been read.

        Args:
            inputs: dictionary of model inputs, the decoder's being start tokens and padding.
            outputs: what `GlimmerBackbone.read` gave for them.
            stop_token_ids: sequence of ints, or `None`.
            memory: what `FiDDecoder.project_memory` gave for them, if it is there already.
            sampler: a KerasHub sampler in place of the one that the model was compiled with.

        Returns:
            A dictionary of `decoder_token_ids` and `decoder_padding_mask`, both `(batch,
            target_length)`, and with a scorer `passage_scores` and `selected_passages`.
        """
        backbone, decoder = self.backbone, self.backbone.decoder
        if memory is None:
            memory = decoder.project_memory(**backbone.decoder_memory(inputs, outputs))
        memory, memory_mask = memory
        prompt = inputs["decoder_token_ids"]
        prompt_mask = ops.cast(inputs["decoder_padding_mask"], "bool")
        rows, length = ops.shape(prompt)
        bias = decoder.step_bias(length)

        def next(prompt, cache, index):
            token = ops.slice(prompt, (0, index - 1), (ops.shape(prompt)[0], 1))
            states, cache = decoder.decode_step(
                backbone.token_embedding(token), index - 1, cache, memory, memory_mask, bias
            )
            return self.logits(states)[:, 0], states[:, 0], cache

        token_ids = (sampler or self.sampler)(
            next=next,
            prompt=prompt,
            cache=decoder.initial_cache(rows, length),
            index=1,
            mask=prompt_mask,
            stop_token_ids=stop_token_ids,
            model=self,
        )
        answer = {
            "decoder_token_ids": token_ids,
            "decoder_padding_mask": answer_mask(token_ids, prompt_mask, stop_token_ids),
        }
        for name in ("passage_scores", "selected_passages"):
            if name in outputs:
                answer[name] = outputs[name]
        return answer

    def _normalize_generate_inputs(self, inputs):
        if isinstance(inputs, dict) and isinstance(inputs.get("questions"), str):
            return [{name: [value] for name, value in inputs.items()}], True
        return super()._normalize_generate_inputs(inputs)

    def summary(self, *args, print_fn=None, **kwargs):
        super().summary(*args, print_fn=print_fn, **kwargs)
        self.backbone.print_layers(print_fn)

    def _answer_outputs(self, outputs):
        answers = {"logits": self.logits(outputs["decoder_sequence_output"])}
        for name in ("passage_scores", "selected_passages"):
            if name in outputs:
                answers[name] = outputs[name]
        return answers


def _has_gpu():
    return bool(keras.distribution.list_devices("gpu"))
