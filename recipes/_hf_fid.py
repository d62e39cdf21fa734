"""Fusion-in-Decoder on Hugging Face's T5, the peer that `benchmark_inference.py --peer hf` starts.

A child process: settings as JSON in its argument, then a line on stdin asks for one round and a
line of JSON on stdout answers with seconds a question. Random weights and token ids.
"""

import json
import sys
import time


def main() -> None:
    settings = json.loads(sys.argv[1])
    try:
        import torch
        import transformers
    except ImportError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    torch.set_num_threads(settings["cores"])
    torch.manual_seed(0)
    size, batch, passages = settings["size"], settings["batch"], settings["k"]
    length, answer = settings["passage_length"], settings["answer_length"]
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
        dropout_rate=0.0,
    )
    model = transformers.T5ForConditionalGeneration(config).eval()
    # Nothing ends an answer early: all have exactly `answer_length` tokens.
    model.generation_config.eos_token_id = None
    ids = torch.randint(2, size["vocabulary_size"], (batch * passages, length))
    mask = torch.ones_like(ids)

    def encode():
        states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.reshape(batch, passages * length, -1)

    def whole():
        states = transformers.modeling_outputs.BaseModelOutput(encode())
        joined = mask.reshape(batch, -1)
        return model.generate(
            encoder_outputs=states,
            attention_mask=joined,
            max_new_tokens=answer,
            do_sample=False,
            num_beams=1,
        )

    def seconds(call):
        started = time.perf_counter()
        call()
        return (time.perf_counter() - started) / batch

    with torch.inference_mode():
        tokens = whole()
        ready = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "attention": model.config._attn_implementation,
            "threads": torch.get_num_threads(),
            "answer_length": tokens.shape[1] - 1,
        }
        print(json.dumps(ready), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"encode": seconds(encode), "whole": seconds(whole)}), flush=True)


if __name__ == "__main__":
    main()
