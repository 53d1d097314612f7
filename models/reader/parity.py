"""Does the engine say what the trainer's network says? `python -m models.reader.parity FILE.gguf`.

Runs the real llama.cpp server on the file, takes its greedy answers to the
ends of generated dialogues, and asks a plain torch network, made from nothing
but the file's weights, for its own greedy answers. Prints how many are equal.
"""

import argparse
import http.client
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import xllamacpp
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from .export import Provenance, export
from .network import Reader, Shape
from .rows import make_rows
from .start import start

HERE = Path(__file__).parent
SEED = 770_001  # dialogues that are never trained on
LENGTHS = (160, 320, 640, 1216)
ANSWER = 32  # tokens at most


def half(x: Tensor) -> Tensor:
    """Round as llama.cpp does before it multiplies by f16 weights, and in its KV cache."""
    return x.half().float()


class Plain:
    """Architecture `llama`, written plainly, with the weights of a file."""

    def __init__(self, path: Path) -> None:
        reader: Any = gguf.GGUFReader(path)
        self.tensors = {t.name: torch.from_numpy(np.array(t.data, dtype=np.float32)) for t in reader.tensors}
        fields = {name: field.contents() for name, field in reader.fields.items() if "tokenizer" not in name}
        self.layers = int(fields["llama.block_count"])
        self.heads = int(fields["llama.attention.head_count"])
        self.head_width = int(fields["llama.attention.key_length"])
        self.base = float(fields["llama.rope.freq_base"])
        self.epsilon = float(fields["llama.attention.layer_norm_rms_epsilon"])

    def norm(self, x: Tensor, name: str) -> Tensor:
        """RMSNorm."""
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon)
        return x * scale * self.tensors[name]

    def linear(self, x: Tensor, name: str) -> Tensor:
        """Multiply by the weights."""
        return functional.linear(half(x), self.tensors[name])

    def turn(self, x: Tensor) -> Tensor:
        """Rotate neighbouring pairs; x is (heads, tokens, head width)."""
        pairs = torch.arange(self.head_width // 2, dtype=torch.double)
        speeds = self.base ** (-2 * pairs / self.head_width) / self.tensors["rope_freqs.weight"].double()
        turns = torch.arange(x.shape[1], dtype=torch.double)[:, None] * speeds
        cos, sin = turns.cos().float(), turns.sin().float()
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def split(self, x: Tensor, name: str) -> Tensor:
        """One projection, cut into heads."""
        return self.linear(x, name).view(-1, self.heads, self.head_width).transpose(0, 1)

    @torch.no_grad()
    def logits(self, ids: list[int]) -> Tensor:
        """Logits after each token."""
        x = self.tensors["token_embd.weight"][torch.tensor(ids)]
        for index in range(self.layers):
            name = f"blk.{index}."
            y = self.norm(x, name + "attn_norm.weight")
            q, k = (half(self.turn(self.split(y, f"{name}attn_{part}.weight"))) for part in "qk")
            v = half(self.split(y, name + "attn_v.weight"))
            mixed = functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
            x = x + functional.linear(
                mixed.transpose(0, 1).flatten(1), self.tensors[name + "attn_output.weight"]
            )
            y = self.norm(x, name + "ffn_norm.weight")
            gate, up = (
                functional.linear(y, self.tensors[f"{name}ffn_{part}.weight"]) for part in ("gate", "up")
            )
            x = x + self.linear(functional.silu(gate) * up, name + "ffn_down.weight")
        return self.linear(self.norm(x, "output_norm.weight"), "output.weight")


class Server:
    """The real llama.cpp server, in this process."""

    def __init__(self, path: Path, window: int = 2048, threads: int = 1) -> None:
        params: Any = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.verbosity = window, 1, -1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        self.server: Any = xllamacpp.Server(params)
        host, port = self.server.listening_address.removeprefix("http://").split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def answer(self, ids: list[int]) -> list[int]:
        """The greedy continuation of these tokens, up to the end of the message."""
        body = {"prompt": ids, "n_predict": ANSWER, "temperature": 0, "top_k": 1, "return_tokens": True}
        self.connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        answered = json.loads(self.connection.getresponse().read())
        return [int(token) for token in answered["tokens"]]


def make_prompts(tokenizer: Any, count: int) -> Iterator[list[int]]:
    """Beginnings of dialogues that end where the assistant is to speak."""
    opening = tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False).ids
    sources = [make_rows(SEED, length, 0.2, tokenizer) for length in LENGTHS]
    for number in range(count):
        while True:
            ids = next(sources[number % len(sources)])[0].tolist()
            width = len(opening)
            ends = [p + width for p in range(len(ids) - width) if ids[p : p + width] == opening]
            if ends:
                yield ids[: ends[-1]]
                break


def compare(path: Path, count: int) -> tuple[int, list[str]]:
    """Ask both.

    Returns:
        How many answers are equal, and a line for each that is not.
    """
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    plain, server = Plain(path), Server(path)
    equal, unequal = 0, []
    for ids in make_prompts(tokenizer, count):
        answer = server.answer(ids)
        # each token of the engine is the greedy one after those before it, or the answers part there
        logits = plain.logits(ids + answer)[len(ids) - 1 : -1]
        own = logits.argmax(-1).tolist()
        if answer and own == answer:
            equal += 1
        else:
            at = next((i for i, (a, b) in enumerate(zip(own, answer, strict=True)) if a != b), 0)
            top = logits[at].topk(2).values.tolist() if answer else []
            unequal.append(f"{tokenizer.decode(answer)!r} / {tokenizer.decode(own)!r} at {at}, top two {top}")
    return equal, unequal


def make_untrained(folder: Path) -> Path:
    """A file with the hand-made start only: enough to try the whole chain."""
    tokenizer = HERE / "tokenizer.json"
    model = Reader(Shape(vocabulary=Tokenizer.from_file(str(tokenizer)).get_vocab_size()))
    start(model, seed=1)
    path = folder / "untrained.gguf"
    export(model, tokenizer, path, Provenance(seed=1, tokens=0, seconds=0.0))
    return path


def main() -> None:
    """Compare, print, and fail if any answer differs."""
    parser = argparse.ArgumentParser(description="Compare the engine's greedy answers with the trainer's.")
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--smoke", action="store_true", help="try the chain on an untrained network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = make_untrained(Path(folder)) if options.smoke else options.file
        if path is None:
            parser.error("name a GGUF file, or give --smoke")
        equal, unequal = compare(path, options.count)
    print(f"greedy answers equal: {equal} of {options.count}")
    for line in unequal[:20]:
        print("  " + line)
    if unequal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
