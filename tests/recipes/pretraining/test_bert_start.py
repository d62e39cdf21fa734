import numpy as np

from glimmer_keras import GlimmerBackbone
from recipes.pretraining.bert_start import begin_copying


def test_a_fresh_decoder_copies_what_stands_behind_the_token_before(rng):
    backbone = GlimmerBackbone(
        60,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        intermediate_dim=64,
        key_value_dim=16,
        num_decoder_layers=2,
        live_proportion=1 / 2,
        question_in_decoder=False,
        dropout=0.0,
        use_gated_activation=False,
        tie_embedding_weights=True,
        encoder_block="bert",
        num_positions=16,
        carried_dim=24,
    )
    begin_copying(backbone, np.random.default_rng(0))
    passage = rng.permutation(np.arange(1, 60))[None, :14]
    inputs = {
        "question_token_ids": np.array([[0, 0]]),
        "question_padding_mask": np.array([[True, False]]),
        "passage_token_ids": passage[:, None],
        "passage_padding_mask": np.ones((1, 1, 14), bool),
        "decoder_token_ids": passage[:, 3:11],
        "decoder_padding_mask": np.ones((1, 8), bool),
    }
    states = backbone(inputs)["decoder_sequence_output"]
    logits = np.array(backbone.token_embedding(states, reverse=True))[0]
    logits[np.arange(8), passage[0, 3:11]] = -np.inf  # that it says again is to be unlearned
    assert (logits.argmax(-1) == passage[0, 4:12]).mean() > 0.8
