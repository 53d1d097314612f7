"""Write the reader as a GGUF file of architecture `llama`: `python -m models.reader.export CHECKPOINT.pt FILE.gguf`.

The trainer does so at each checkpoint; by hand it serves to export a kept one.

What llama.cpp does not know is folded into what it does: the fixed places of
layer 0 become queries and keys that read only the constant, the speeds of the
rotating pairs become `rope_freqs.weight`, and the embeddings are written as
the network reads them. Matrices are f16, norms f32.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

from .network import EPSILON, SPEEDS, Layer, Reader, Shape
from .shapes import CHAT_TEMPLATE, DATA_VERSION, digest_shapes
from .start import kernel_parts

CONTEXT = 2048  # tokens of the longest rows trained on
BASE = 10000.0
STILL = 1e30  # a divisor that stops a pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a file was made."""

    seed: int
    tokens: int  # trained on
    seconds: float  # of training


def divisors(head_width: int) -> Tensor:
    """What the engine divides the speed of each pair by, so that it turns at ours."""
    pairs = head_width // 2
    usual = BASE ** (-2.0 * np.arange(pairs) / head_width)
    values = np.full(pairs, STILL)
    values[: len(SPEEDS)] = usual[: len(SPEEDS)] / np.array(SPEEDS)
    return torch.tensor(values, dtype=torch.float32)


def fixed_places(model: Reader) -> tuple[Tensor, Tensor]:
    """Queries and keys of layer 0: they read the constant and make its kernels."""
    shape, layer = model.shape, model.layers[0]
    assert isinstance(layer, Layer)
    q, k = torch.zeros(shape.inner, shape.width), torch.zeros(shape.inner, shape.width)
    # what the norm leaves of the constant 1: all numbers of the table have a mean square of one
    constant = float(layer.attention_norm[0].detach()) / math.sqrt(1 + EPSILON)
    for head in range(shape.heads):
        nats, phases = kernel_parts(head)
        strength = (nats * math.sqrt(shape.head_width)).sqrt() / constant
        for pair in range(len(SPEEDS)):
            row = head * shape.head_width + 2 * pair
            k[row, 0] = strength[pair]
            q[row, 0] = strength[pair] * math.cos(float(phases[pair]))
            q[row + 1, 0] = -strength[pair] * math.sin(float(phases[pair]))
    return q, k


def tensors_of(model: Reader) -> dict[str, Tensor]:
    """All weights under llama.cpp's names."""
    found = {
        "token_embd.weight": model.table(),
        "output_norm.weight": model.norm,
        "output.weight": model.head,
        "rope_freqs.weight": divisors(model.shape.head_width),
    }
    for index, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        q, k = fixed_places(model) if layer.kind == "shift" else (layer.q, layer.k)
        parts = {
            "attn_norm": layer.attention_norm,
            "attn_q": q,
            "attn_k": k,
            "attn_v": layer.v,
            "attn_output": layer.o,
            "ffn_norm": layer.hidden_norm,
            "ffn_gate": layer.gate,
            "ffn_up": layer.up,
            "ffn_down": layer.down,
        }
        found |= {f"blk.{index}.{name}.weight": part for name, part in parts.items()}
    return {name: tensor.detach().float().cpu() for name, tensor in found.items()}


def export(model: Reader, tokenizer: Path, path: Path, made: Provenance) -> None:
    """Write the file; it appears whole or not at all."""
    part = path.with_suffix(".part")
    writer: Any = gguf.GGUFWriter(part, "llama")
    _describe(writer, model, made)
    _add_tokenizer(writer, json.loads(tokenizer.read_text(encoding="utf-8")), model.shape.vocabulary)
    for name, tensor in tensors_of(model).items():
        array = tensor.numpy()
        writer.add_tensor(name, array.astype(np.float16) if array.ndim == 2 else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def _describe(writer: Any, model: Reader, made: Provenance) -> None:
    """Names, sizes and how it was made."""
    shape = model.shape
    writer.add_name("turnkeep reader")
    writer.add_license("Apache-2.0")
    writer.add_description("A very small chat model that knows nothing and reads its context.")
    writer.add_uint32("turnkeep.reader.data_version", DATA_VERSION)
    writer.add_string("turnkeep.reader.shapes", digest_shapes())  # of the prompts it was trained to read
    writer.add_uint64("turnkeep.reader.seed", made.seed)
    writer.add_uint64("turnkeep.reader.tokens_seen", made.tokens)
    writer.add_float64("turnkeep.reader.training_seconds", round(made.seconds, 1))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(len(shape.kinds))
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_tokenizer(writer: Any, content: dict[str, Any], vocabulary: int) -> None:
    """The byte-level BPE, cut as llama.cpp's "smollm" does: digits stand alone."""
    special = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
    by_id = {place: text for text, place in content["model"]["vocab"].items()} | {
        v: k for k, v in special.items()
    }
    tokens = [by_id[place] for place in range(vocabulary)]
    kinds = [gguf.TokenType.CONTROL if text in special else gguf.TokenType.NORMAL for text in tokens]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(special["<|im_end|>"])
    writer.add_eot_token_id(special["<|im_end|>"])
    writer.add_pad_token_id(special["<|endoftext|>"])
    writer.add_bos_token_id(special["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def main() -> None:
    """Export a checkpoint of the trainer's."""
    parser = argparse.ArgumentParser(description="Write a checkpoint as a GGUF file.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    tokenizer = Path(__file__).with_name("tokenizer.json")
    kept = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    model = Reader(Shape(vocabulary=kept["model"]["embedding"].shape[0]))
    model.load_state_dict(kept["model"])
    progress = kept["progress"]
    made = Provenance(seed=kept["seed"], tokens=progress["tokens"], seconds=progress["seconds"])
    export(model, tokenizer, options.file, made)


if __name__ == "__main__":
    main()
