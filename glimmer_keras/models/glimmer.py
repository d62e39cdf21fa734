from pathlib import Path

import keras
import keras_hub
from keras import ops

from glimmer_keras.distribution.hosts import whole
from glimmer_keras.distribution.replicas import logs_of_replica, mean_over_replicas, num_replicas
from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.decoding import answer_from, scored_answer_from
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.models.glimmer_preprocessor import GlimmerPreprocessor
from glimmer_keras.models.hugging_face import export_to_transformers, from_hugging_face
from glimmer_keras.models.hugging_face_directory import SETTINGS
from glimmer_keras.models.prepared_batches import prepared_batches, weighted
from glimmer_keras.models.presets import PRESETS, check_preset_arguments, preset_path
from glimmer_keras.models.t5_weights import from_t5
from glimmer_keras.models.teacher import check_distillation, distil
from glimmer_keras.optimizers.adafactor import Adafactor
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.checksums import check_checksums, write_checksums
from glimmer_keras.utils.deprecated import warn_renamed


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Glimmer(keras_hub.models.Seq2SeqLM):
    """A reader that answers questions from passages, cheaper than Fusion-in-Decoder.

    A KerasHub task: `compile`, `fit`, `evaluate`, `generate`, `from_preset` and
    `save_to_preset` work as in any other. FiD, LUMEN and the paper's ablations are settings of
    its `GlimmerBackbone`.

    Args:
        backbone: a `GlimmerBackbone`.
        preprocessor: a `GlimmerPreprocessor`, or `None` to feed token ids.
        calibration: two floats, as `metrics.fit_calibration` gives them: how the confidence of an
            answer follows from its length-normalised probability. `(1, 0)` takes that as it is.

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
    presets = PRESETS
    # Until the model is compiled there is no teacher.
    distillation_weight = 0.0

    def __init__(self, backbone, preprocessor=None, calibration=(1.0, 0.0), **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor

        # === Functional model ===
        inputs = backbone.input
        super().__init__(inputs, self._answer_outputs(backbone(inputs)), **kwargs)
        self.input_spec = None

        # === Config ===
        if not isinstance(calibration, (list, tuple)) or len(calibration) != 2:
            raise ValueError(
                f"`calibration` must be two floats. Received: calibration={calibration!r}"
            )
        self.calibration = tuple(map(float, calibration))

    @classmethod
    def from_size(cls, size, system="glimmer", preprocessor=None, **overrides):
        """Make a model of a named size and system, with fresh weights.

        Args:
            size: string. `"tiny"`, `"small"`, `"base"`, `"large"`, `"xl"` or `"xxl"`.
            system: string. `"fid"`, Fusion-in-Decoder: every encoder layer is live, all passages
                are read; `"lumen"`: a third is live; or `"glimmer"`: a third is live, a quarter
                of that reranks, and 5 passages are read.
            preprocessor: a `GlimmerPreprocessor` or `None`.
            **overrides: arguments of `GlimmerBackbone` that replace theirs.
        """
        return cls(GlimmerBackbone.from_size(size, system, **overrides), preprocessor)

    from_t5 = classmethod(from_t5)
    from_hugging_face = classmethod(from_hugging_face)
    export_to_transformers = export_to_transformers
    answer_from = answer_from
    scored_answer_from = scored_answer_from

    @classmethod
    def fid(cls, size="base", preprocessor=None, **overrides):
        """Old name of `from_size(size, "fid")`."""
        warn_renamed("Glimmer.fid(size)", 'Glimmer.from_size(size, "fid")')
        return cls.from_size(size, "fid", preprocessor, **overrides)

    @classmethod
    def lumen(cls, size="base", preprocessor=None, **overrides):
        """Old name of `from_size(size, "lumen")`."""
        warn_renamed("Glimmer.lumen(size)", 'Glimmer.from_size(size, "lumen")')
        return cls.from_size(size, "lumen", preprocessor, **overrides)

    @classmethod
    def glimmer(cls, size="base", preprocessor=None, **overrides):
        """Old name of `from_size(size)`."""
        warn_renamed("Glimmer.glimmer(size)", "Glimmer.from_size(size)")
        return cls.from_size(size, "glimmer", preprocessor, **overrides)

    def save_to_hugging_face(self, directory):
        """Old name of `export_to_transformers`."""
        warn_renamed("Glimmer.save_to_hugging_face", "Glimmer.export_to_transformers")
        self.export_to_transformers(directory)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Load a bundled model, or one that `save_to_preset` wrote on any backend.

        Args:
            preset: string. A name of `Glimmer.presets`, the path of a folder that
                `export_to_transformers` wrote, or the path, or address that KerasHub knows, of a
                preset.
            load_weights: bool. `False` takes the settings and fresh weights.
            **kwargs: `dtype`, `name`, `preprocessor` or `trainable`. All else is the preset's.

        Raises:
            ValueError: If a file is not as it was written, or an argument would make another model.
        """
        check_preset_arguments(preset, kwargs, ("dtype", "name", "preprocessor", "trainable"))
        folder = preset_path(preset)
        if (Path(folder) / SETTINGS).is_file():
            return cls.from_hugging_face(folder, load_weights=load_weights, **kwargs)
        check_checksums(Path(folder))
        with loaded_next(load_weights):
            return super().from_preset(preset, load_weights, **kwargs)

    def save_to_preset(self, preset_dir, *args, **kwargs):
        """Keep all of it in a folder, as any KerasHub model, with checksums of the files."""
        super().save_to_preset(preset_dir, *args, **kwargs)
        write_checksums(Path(preset_dir))

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
        check_distillation(
            *(distillation_weight, distillation_temperature, distillation_direction),
            answer_reduction,
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

    def fit(self, x=None, *args, shuffle=False, validation_data=None, **kwargs):
        """Fit as `keras.Model.fit`, in the order of the data: KerasHub tasks never shuffle."""
        if isinstance(x, dict) and "answers" in x and self.preprocessor is not None:
            # Before `tf.data`, where an error has a graph for a message.
            self.preprocessor.check_answers(x["answers"])
        batches = prepared_batches(x, self.preprocess_samples)
        tested = prepared_batches(validation_data, self.preprocess_samples)
        if tested is not None and batches is None:
            raise ValueError(
                "`validation_data` may be a PyDataset, a generator or a DataLoader only if `x` is. "
                f"Received: {type(validation_data).__name__} with {type(x).__name__}"
            )
        kwargs |= {"shuffle": shuffle, "validation_data": validation_data}
        if batches is None:
            return super().fit(*weighted(x, kwargs), *args, **kwargs)
        if tested is None and validation_data is not None:
            parts = keras.utils.unpack_x_y_sample_weight(validation_data)
            tested = self.preprocess_samples(*parts)
        return keras.Model.fit(self, batches, *args, **kwargs | {"validation_data": tested})

    def evaluate(self, x=None, *args, **kwargs):
        batches = prepared_batches(x, self.preprocess_samples)
        if batches is None:
            return super().evaluate(*weighted(x, kwargs), *args, **kwargs)
        return keras.Model.evaluate(self, batches, *args, **kwargs)

    def predict(self, x=None, *args, **kwargs):
        batches = prepared_batches(x, self.preprocess_samples)
        if batches is None:
            return super().predict(x, *args, **kwargs)
        return keras.Model.predict(self, batches, *args, **kwargs)

    def quantize(self, mode, config=None):
        """Quantize the weights in place, as `GlimmerBackbone.quantize`; to train on, compile."""
        self.backbone.quantize(mode, config)
        self._post_quantize(mode)
        # What was traced before has the weights of before.
        self.train_function = self.test_function = None
        self.predict_function = self.generate_function = None

    def make_train_function(self, force=False):
        # Variables that are made while TensorFlow traces a step have it trace the step twice.
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras's own, as of 3.15.1, adds up the replicas' parts of the first batch, for their
        # shapes alone; masks have no sum, so that without this `fit` fails on several replicas.
        if iterator is not None and num_replicas() > 1:
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
        if not self.compiled:
            return super().metrics
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
        rows, replicas = ops.shape(y)[0], num_replicas()
        # Keras divides what it computes by the replicas, as their gradients are summed.
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
        distillation, agreement, known = distil(self, x, outputs, y, sample_weight, training)
        self._distillation_loss.update_state(distillation, rows)
        self._selection_agreement.update_state(agreement, known)
        return loss + self.distillation_weight * distillation / replicas

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return logs_of_replica(super().compute_metrics(x, y, y_pred["logits"], sample_weight))

    def logits(self, hidden_states):
        """Apply the language model head: `(..., hidden_dim)` to `(..., vocabulary_size)`."""
        if self.backbone.tie_embedding_weights:
            hidden_states = hidden_states * self.backbone.decoder.hidden_dim**-0.5
        return self.backbone.token_embedding(hidden_states, reverse=True)

    def make_generate_function(self):
        function = super().make_generate_function()

        def checked(inputs, stop_token_ids=None):
            # Before it is traced: there an error has a traceback for a message.
            self.backbone.check(inputs)
            return keras.tree.map_structure(whole, function(inputs, stop_token_ids))

        return checked

    def generate(self, inputs, *args, **kwargs):
        """Answer a batch of questions, or one, as `keras_hub.models.Seq2SeqLM.generate`.

        Args:
            inputs: dictionary of `"questions"`, strings `(batch,)`, and `"passages"`, a list of
                strings for each; of one string and one list of strings; or of model inputs.
            *args, **kwargs: as in KerasHub.

        Returns:
            A dictionary of `"answers"`, a list of strings, `"answer_lengths"` in tokens, the end
            token among them, `"log_probability"` of these, and with a scorer `"passage_scores"`
            and `"selected_passages"`; of one question each without the batch dimension.
        """
        max_length = kwargs.get("max_length", args[0] if args else None)
        if max_length is not None:
            check_integer("max_length", max_length)
        one = isinstance(inputs, dict) and isinstance(inputs.get("questions"), str)
        if one:
            inputs = {name: [value] for name, value in inputs.items()}
        outputs = super().generate(inputs, *args, **kwargs)
        return {name: value[0] for name, value in outputs.items()} if one else outputs

    def generate_step(self, inputs, stop_token_ids=None):
        """Answer one batch of model inputs, the decoder's being start tokens and padding."""
        self.backbone.check(inputs)
        outputs = self.backbone.read(inputs)
        answer = self.scored_answer_from
        if keras.backend.backend() == "tensorflow" and self._jit_asked == "auto" and not _has_gpu():
            import tensorflow as tf

            if not tf.executing_eagerly():
                # On a CPU XLA makes 1.6 times the tokens a second, but encodes no faster.
                answer = tf.function(answer, jit_compile=True, autograph=False)
        return answer(inputs, outputs, stop_token_ids)

    def summary(self, *args, print_fn=None, **kwargs):
        super().summary(*args, print_fn=print_fn, **kwargs)
        self.backbone.print_layers(print_fn)

    def get_config(self):
        return {**super().get_config(), "calibration": self.calibration}

    def _answer_outputs(self, outputs):
        answers = {"logits": self.logits(outputs["decoder_sequence_output"])}
        for name in ("passage_scores", "selected_passages"):
            if name in outputs:
                answers[name] = outputs[name]
        return answers


def _has_gpu():
    return bool(keras.distribution.list_devices("gpu"))
