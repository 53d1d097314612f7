"""all-MiniLM-L6-v2 in numpy: the sentence vectors of a six-layer BERT, without torch.

Reads the weights from the model's own file as they lie on the disk: nothing is converted or
kept twice. Several texts go through the layers side by side, so that each weight is fetched
from memory once for all of them. Processor time for a message of 41 tokens, one thread, same
run: 18 ms in such batches (28 ms alone); onnxruntime 17 ms, but with 150 MB more to install
and a second model file to make; llama.cpp 47 ms (30 ms in 8 bits, then not exact).
Cosine to llama.cpp's vectors: 0.9999997 at least.

Imported in the embedder's own process only (child.py): needs numpy.
"""

import json
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import LARGEST, stretch
from .wordpiece import WordPiece

MOST_TOKENS = 256  # of a text, as the model was trained; the rest is not read
BATCH_TOKENS = 128  # that go through the layers side by side; twice as many are no faster
_EPSILON = 1e-12  # of the model's layer norms
_GELU_CUBE, _GELU_SCALE = 0.044715, 0.7978845608  # GELU by tanh; off by 1e-3 at most, and no erf in numpy

Matrix = NDArray[np.float32]


class _Layer(NamedTuple):
    """The weights of a layer; matrices lie transposed, as they are multiplied."""

    qkv: Matrix
    qkv_bias: Matrix
    out: Matrix
    out_bias: Matrix
    norm: tuple[Matrix, Matrix]
    up: Matrix
    up_bias: Matrix
    down: Matrix
    down_bias: Matrix
    last_norm: tuple[Matrix, Matrix]


class MiniLM:
    """The model in a folder with model.safetensors, config.json and vocab.txt."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self.dimensions: int = config["hidden_size"]
        self._heads: int = config["num_attention_heads"]
        inner: int = config["intermediate_size"]
        weights = _map_weights(folder / "model.safetensors")
        self._tokenizer = WordPiece((folder / "vocab.txt").read_text("utf-8").splitlines())
        self._words = weights["embeddings.word_embeddings.weight"]
        # All tokens are of the first type: its vector belongs to every place.
        self._places = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm_of(weights, "embeddings.LayerNorm")
        self._layers = [_layer_of(weights, number) for number in range(config["num_hidden_layers"])]
        room = max(MOST_TOKENS, BATCH_TOKENS)
        # Written over by every batch: fresh memory for each step would cost as much as the step.
        self._a, self._b = _room(room, self.dimensions), _room(room, self.dimensions)
        self._qkv = _room(room, 3 * self.dimensions)
        self._inner, self._bent = _room(room, inner), _room(room, inner)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Make the unit vectors of texts, one a row."""
        found: list[Matrix] = []
        batch: list[list[int]] = []
        for text in texts:
            tokens = self._tokenizer.encode(text, MOST_TOKENS)
            if batch and sum(map(len, batch)) + len(tokens) > BATCH_TOKENS:
                found.append(self._run(batch))
                batch = []
            batch.append(tokens)
        if batch:
            found.append(self._run(batch))
        return np.concatenate(found)

    def pack(self, texts: Sequence[str]) -> list[bytes]:
        """Make the vectors of texts as they are kept: as `base.pack_vector` would."""
        values = np.rint(self.embed(texts) * stretch(self.dimensions))
        return [row.tobytes() for row in np.clip(values, -LARGEST, LARGEST).astype(np.int8)]

    def _run(self, batch: Sequence[Sequence[int]]) -> Matrix:
        """Take texts through the layers side by side; only attention keeps them apart."""
        ends = np.cumsum([len(tokens) for tokens in batch])
        spans = [slice(end - len(tokens), end) for end, tokens in zip(ends, batch, strict=True)]
        size = int(ends[-1])
        state, other = self._a[:size], self._b[:size]
        np.take(self._words, np.concatenate([np.asarray(tokens) for tokens in batch]), axis=0, out=state)
        for span in spans:
            state[span] += self._places[: span.stop - span.start]
        _normalise(state, self._norm)
        for layer in self._layers:
            self._attend(state, other, spans, layer)
            self._feed_forward(other, state, layer)
        means: Matrix = np.stack([state[span].mean(axis=0) for span in spans])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means

    def _attend(self, state: Matrix, out: Matrix, spans: Sequence[slice], layer: _Layer) -> None:
        """Write attention over `state`, with it added and normalised, to `out`."""
        qkv, heads, width = self._qkv[: len(state)], self._heads, self.dimensions // self._heads
        mixed = self._bent[: len(state), : self.dimensions]
        np.matmul(state, layer.qkv, out=qkv)
        qkv += layer.qkv_bias
        for span in spans:
            query, key, value = qkv[span].reshape(-1, 3, heads, width).transpose(1, 2, 0, 3)
            scores = query @ key.transpose(0, 2, 1)
            scores *= width**-0.5
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed[span] = (scores @ value).transpose(1, 0, 2).reshape(-1, self.dimensions)
        np.matmul(mixed, layer.out, out=out)
        out += layer.out_bias
        out += state
        _normalise(out, layer.norm)

    def _feed_forward(self, state: Matrix, out: Matrix, layer: _Layer) -> None:
        """Write the two dense layers over `state`, with it added and normalised, to `out`."""
        inner, bent = self._inner[: len(state)], self._bent[: len(state)]
        np.matmul(state, layer.up, out=inner)
        inner += layer.up_bias
        np.multiply(inner, inner, out=bent)
        bent *= _GELU_CUBE * _GELU_SCALE
        bent += _GELU_SCALE
        bent *= inner
        np.tanh(bent, out=bent)
        bent += 1
        bent *= inner
        bent *= 0.5
        np.matmul(bent, layer.down, out=out)
        out += layer.down_bias
        out += state
        _normalise(out, layer.last_norm)


def _normalise(state: Matrix, norm: tuple[Matrix, Matrix]) -> None:
    state -= state.mean(axis=-1, keepdims=True)
    spread = np.einsum("ij,ij->i", state, state)
    spread /= state.shape[1]
    spread += _EPSILON
    state /= np.sqrt(spread)[:, None]
    state *= norm[0]
    state += norm[1]


def _room(rows: int, columns: int) -> Matrix:
    return np.empty((rows, columns), np.float32)


def _map_weights(path: Path) -> dict[str, Matrix]:
    """Read a safetensors file without loading it: its arrays are views of the mapped file."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = 8 + int.from_bytes(mapped[:8], "little")
    header: dict[str, Any] = json.loads(mapped[8:begin])  # Any: JSON of the file format
    return {
        name: np.frombuffer(mapped, np.float32, (last - first) // 4, begin + first).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
        for first, last in [entry["data_offsets"]]
    }


def _norm_of(weights: dict[str, Matrix], name: str) -> tuple[Matrix, Matrix]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _layer_of(weights: dict[str, Matrix], number: int) -> _Layer:
    front = f"encoder.layer.{number}."
    three = [f"{front}attention.self.{name}" for name in ("query", "key", "value")]
    return _Layer(
        qkv=np.concatenate([weights[f"{name}.weight"] for name in three]).T,
        qkv_bias=np.concatenate([weights[f"{name}.bias"] for name in three]),
        out=weights[f"{front}attention.output.dense.weight"].T,
        out_bias=weights[f"{front}attention.output.dense.bias"],
        norm=_norm_of(weights, f"{front}attention.output.LayerNorm"),
        up=weights[f"{front}intermediate.dense.weight"].T,
        up_bias=weights[f"{front}intermediate.dense.bias"],
        down=weights[f"{front}output.dense.weight"].T,
        down_bias=weights[f"{front}output.dense.bias"],
        last_norm=_norm_of(weights, f"{front}output.LayerNorm"),
    )
