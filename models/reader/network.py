"""The reader's network: architecture `llama`, small, and made so that it trains fast on one core.

Every layer can be written as an ordinary llama layer (RMSNorm, attention with
interleaved rotary positions, SwiGLU), and `export` writes it so. Training
takes three shortcuts that leave the function as it is, or nearly:

- Layer 0 only looks at fixed places: one, two and three tokens back, and at
  the mean of the tokens four to nine back. Its attention depends on positions
  alone, so training adds up shifted copies instead of comparing all tokens.
- "Local" layers see a window of recent tokens while rows are long; the last
  stage of training lets them see everything, as the engine does.
- The last layer and the output head work only where something is to be learnt.

Only a few pairs of each head rotate; the others have speed 0, so that equal
content matches at every distance. Tensors are float32; shapes are (rows,
tokens, ...). Knows no data and no file format.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# Radians per token of the rotating pairs. The first six, with the amplitudes in
# `start`, tell offset 3 from all others up to 2,100 by the widest margin that a
# random search found; the two slow ones fall monotonically over 1,024 and 2,048 tokens.
SPEEDS = (2.0791, 0.865, 0.7898, 0.5195, 0.1279, 0.0086, math.pi / 2048, math.pi / 4096)
TAPS = 10  # layer 0 looks at most nine tokens back
EPSILON = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the network.

    `kinds` names each layer: "shift" (fixed places; only the first), "local"
    (a window while rows are long), or "full".
    """

    vocabulary: int
    width: int = 160
    heads: int = 4
    head_width: int = 64
    hidden: int = 256
    kinds: tuple[str, ...] = ("shift", "local", "full", "full", "full")

    @property
    def inner(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_width


def rms(x: Tensor) -> Tensor:
    """Scale vectors to a mean square of one."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)


def angles(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotating pairs at these positions, in double precision until the end."""
    turns = positions.double()[..., None] * torch.tensor(SPEEDS, dtype=torch.double, device=positions.device)
    return turns.cos().float(), turns.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the first pairs of each head; pair i is (x[2i], x[2i+1]), as arch `llama` has it.

    Args:
        x: (rows, heads, tokens, head width).
        cos: (rows or 1, 1, tokens, pairs).
        sin: as `cos`.
    """
    pairs = len(SPEEDS)
    turning, still = x[..., : 2 * pairs], x[..., 2 * pairs :]
    even, odd = turning[..., 0::2], turning[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
    return torch.cat((turned, still), -1)


class Layer(nn.Module):
    """One llama layer."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.shape, self.kind = shape, kind
        self.attention_norm = nn.Parameter(torch.ones(shape.width))
        self.hidden_norm = nn.Parameter(torch.ones(shape.width))
        if kind != "shift":
            self.q = nn.Parameter(torch.empty(shape.inner, shape.width))
            self.k = nn.Parameter(torch.empty(shape.inner, shape.width))
        self.v = nn.Parameter(torch.empty(shape.inner, shape.width))
        self.o = nn.Parameter(torch.empty(shape.width, shape.inner))
        self.gate = nn.Parameter(torch.empty(shape.hidden, shape.width))
        self.up = nn.Parameter(torch.empty(shape.hidden, shape.width))
        self.down = nn.Parameter(torch.empty(shape.width, shape.hidden))

    def split(self, x: Tensor) -> Tensor:
        """(rows, tokens, inner) to (rows, heads, tokens, head width)."""
        return x.view(*x.shape[:-1], self.shape.heads, self.shape.head_width).transpose(1, 2)

    def think(self, x: Tensor) -> Tensor:
        """The second half of the layer, one token at a time."""
        y = rms(x) * self.hidden_norm
        return x + functional.linear(
            functional.silu(functional.linear(y, self.gate)) * functional.linear(y, self.up), self.down
        )

    def shifted(self, x: Tensor, taps: Tensor) -> Tensor:
        """Layer 0: each head adds up the tokens at its fixed places.

        Args:
            x: (rows, tokens, width).
            taps: (heads, TAPS, TAPS): at the row's first tokens, the weight of the token that many
                places back; the last of them holds for all later tokens.
        """
        v = self.split(functional.linear(rms(x) * self.attention_norm, self.v))
        tokens = v.shape[2]
        padded = functional.pad(v, (0, 0, TAPS - 1, 0))
        everywhere = torch.cat((taps[:, :-1], taps[:, -1:].expand(-1, tokens - TAPS + 1, -1)), 1)
        mixed = everywhere[:, :, :1] * v
        for back in range(1, TAPS):
            begin = TAPS - 1 - back
            mixed = mixed + everywhere[:, :, back, None] * padded[:, :, begin : begin + tokens]
        return self.think(x + functional.linear(mixed.transpose(1, 2).flatten(2), self.o))

    def full(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Every token sees all tokens up to itself."""
        y = rms(x) * self.attention_norm
        q = rotate(self.split(functional.linear(y, self.q)), cos, sin)
        k = rotate(self.split(functional.linear(y, self.k)), cos, sin)
        v = self.split(functional.linear(y, self.v))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.think(x + functional.linear(mixed.transpose(1, 2).flatten(2), self.o))

    def local(self, x: Tensor, cos: Tensor, sin: Tensor, window: int) -> Tensor:
        """Every token sees at least the last `window` tokens: its block and the block before it."""
        rows, tokens, _ = x.shape
        blocks = tokens // window
        y = rms(x) * self.attention_norm
        q = rotate(self.split(functional.linear(y, self.q)), cos, sin)
        k = rotate(self.split(functional.linear(y, self.k)), cos, sin)
        v = self.split(functional.linear(y, self.v))
        heads = self.shape.heads
        q = q.reshape(rows, heads * blocks, window, -1)
        k, v = self.paired(k, blocks, window), self.paired(v, blocks, window)
        places = torch.arange(window, device=x.device)
        seen = torch.cat((places[None] >= places[:, None], places[None] <= places[:, None]), 1)
        first = seen & (torch.arange(2 * window, device=x.device) >= window)
        masks = torch.where((torch.arange(blocks, device=x.device) == 0)[:, None, None], first, seen)
        mask = masks.repeat(heads, 1, 1)[None]
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(self.shape.head_width)
        mixed = scores.masked_fill(~mask, -1e30).softmax(-1) @ v
        mixed = mixed.reshape(rows, heads, tokens, -1).transpose(1, 2).flatten(2)
        return self.think(x + functional.linear(mixed, self.o))

    def paired(self, x: Tensor, blocks: int, window: int) -> Tensor:
        """Each block of keys or values behind the block before it; the first has itself before it, masked."""
        rows, heads = x.shape[:2]
        cut = x.reshape(rows, heads, blocks, window, -1)
        before = torch.cat((cut[:, :, :1], cut[:, :, :-1]), 2)
        return torch.cat((before, cut), 3).reshape(rows, heads * blocks, 2 * window, -1)

    def picked(self, x: Tensor, cos: Tensor, sin: Tensor, picks: Tensor) -> Tensor:
        """Only the tokens at `picks` (rows, picked) ask; all tokens can be seen."""
        y = rms(x) * self.attention_norm
        wide = picks[:, :, None].expand(-1, -1, x.shape[-1])
        chosen, asking = x.gather(1, wide), y.gather(1, wide)
        turned = picks[:, None, :, None].expand(-1, -1, -1, cos.shape[-1])
        rows = x.shape[0]
        some_cos, some_sin = (part.expand(rows, -1, -1, -1).gather(2, turned) for part in (cos, sin))
        q = rotate(self.split(functional.linear(asking, self.q)), some_cos, some_sin)
        k = rotate(self.split(functional.linear(y, self.k)), cos, sin)
        v = self.split(functional.linear(y, self.v))
        seen = picks[:, None, :, None] >= torch.arange(x.shape[1], device=x.device)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.think(chosen + functional.linear(mixed.transpose(1, 2).flatten(2), self.o))


class Reader(nn.Module):
    """The whole network."""

    taps: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.empty(shape.vocabulary, shape.width - 1))
        self.layers = nn.ModuleList(Layer(shape, kind) for kind in shape.kinds)
        self.norm = nn.Parameter(torch.ones(shape.width))
        self.head = nn.Parameter(torch.empty(shape.vocabulary, shape.width))
        self.register_buffer("taps", torch.zeros(shape.heads, TAPS, TAPS))

    def table(self) -> Tensor:
        """The embeddings as the engine reads them: the first number is 1, and all have one length.

        The constant lets layer 0 look at fixed places; equal lengths keep RMSNorm from changing it.
        """
        rest = rms(self.embedding)
        return torch.cat((torch.ones_like(rest[:, :1]), rest), 1)

    def forward(self, ids: Tensor, picks: Tensor | None = None, window: int | None = None) -> Tensor:
        """Logits at the picked places.

        Args:
            ids: (rows, tokens).
            picks: (rows, picked) places whose next token is wanted; `None` for all.
            window: tokens a local layer sees; must divide the row; `None` for all.

        Returns:
            (rows, picked, vocabulary).
        """
        cos, sin = (part[None, None] for part in angles(torch.arange(ids.shape[1], device=ids.device)))
        x = self.table()[ids]
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            if layer.kind == "shift":
                x = layer.shifted(x, self.taps)
            elif layer.kind == "local" and window is not None:
                x = layer.local(x, cos, sin, window)
            elif index == last and picks is not None:
                x = layer.picked(x, cos, sin, picks)
            else:
                x = layer.full(x, cos, sin)
        return functional.linear(rms(x) * self.norm, self.head)
