"""Hugging Face's T5 in a child process, as the peers of benchmarks have it.

Settings as JSON in its argument, then a line on stdin asks for one round and a line of JSON on
stdout answers with seconds. Random weights.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def serve(
    build: Callable[[Any, dict[str, Any]], tuple[dict, Callable[[], dict]]], training: bool = False
) -> None:
    """Be such a process.

    Args:
        build: A function of the model and the settings, which warms up, and gives what to report
            of that and the call of a round.
        training: Whether the model is trained.
    """
    settings = json.loads(sys.argv[1])
    try:
        import torch
        import transformers
    except ImportError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    torch.set_num_threads(settings["cores"])
    torch.manual_seed(0)
    size = settings["size"]
    config = transformers.T5Config(
        vocab_size=size["vocabulary_size"],
        d_model=size["hidden_dim"],
        d_kv=size["key_value_dim"],
        d_ff=size["intermediate_dim"],
        num_layers=size["num_layers"],
        num_heads=size["num_heads"],
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        dropout_rate=settings.get("dropout", 0.0),
    )
    model = transformers.T5ForConditionalGeneration(config).train(training)
    # Nothing ends an answer early: all have the length that is asked for.
    model.generation_config.eos_token_id = None
    with torch.inference_mode(not training):
        described, ask = build(model, settings)
        ready = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "attention": model.config._attn_implementation,
            "threads": torch.get_num_threads(),
            **described,
        }
        print(json.dumps(ready), flush=True)
        for _ in sys.stdin:
            print(json.dumps(ask()), flush=True)


def generate(model: Any, states: Any, mask: Any, tokens: int) -> Any:
    """Decode `tokens` greedy ones for each row, behind the start token, from encoded states."""
    from transformers.modeling_outputs import BaseModelOutput

    return model.generate(
        encoder_outputs=BaseModelOutput(states),
        attention_mask=mask,
        max_new_tokens=tokens,
        do_sample=False,
        num_beams=1,
    )


def seconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
