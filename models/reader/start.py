"""The reader's first weights, made by hand: what training would need long to find.

Every token has a random code. Layer 0 brings the codes of the three tokens
before, and the mean code of six more, into places of their own beside the
token's own code. Some heads of the later layers then compare "this token and
those before it" with "the tokens before that place", so they find where the
same words were said already, and copy the token that followed; of two such
places a slow rotating pair prefers the later one. The other heads look at
places with equal content and write nothing yet.

Untrained, this already continues a sentence that repeats an earlier one.
"""

import math

import torch
from torch import Tensor

from .network import SPEEDS, TAPS, Layer, Reader

SHARP = (0.1126, 0.1468, 0.1796, 0.1162, 0.0848, 0.1773, 0.0902, 0.0924)
SHARPNESS = 56.0  # nats at the wanted place; all others get at least 15 fewer
# Amplitudes in nats and phases of a head that looks at places 4 to 9 back alike:
# fitted by gradient to that box, with less than 1e-5 of the weight beyond 40 tokens.
BOX_NATS = (0.5681, 0.3825, 12.7349, 21.7017, 28.2972, 17.3946, 83.1674, 37.0230)
BOX_PHASES = (13.5497, 5.9069, 2.0426, 3.4524, 0.7742, -1.0348, -0.8806, -1.0227)

MATCH_NATS = 6.0  # what one equal token adds to the comparison
RECENCY_NATS = 6.0  # what 2,048 tokens of distance cost
COPY_GAIN = 10.0  # length of what all copying heads together write
HEAD_GAIN = 1.5  # length of a row of the output head
# Which codes a head compares, the query's and the key's: 0 is the token's own, 1 to 3 those before it, 4 the bag.
FOLLOWING = ((0, 1), (1, 2), (2, 3), (4, 4))  # finds the place after the same words
SIMILAR = ((0, 4), (4, 0), (1, 4), (4, 4))  # finds places with equal content
COPYING = {1: 2, 2: 2, 3: 2, 4: 1}  # copying heads of each layer


def kernel_parts(head: int) -> tuple[Tensor, Tensor]:
    """Amplitudes (nats) and phases of one head of layer 0: looks 1, 2, 3 back, or at the box."""
    if head < 3:
        return torch.tensor(SHARP) * SHARPNESS, torch.tensor(SPEEDS) * (head + 1)
    return torch.tensor(BOX_NATS), torch.tensor(BOX_PHASES)


def kernel(head: int) -> Tensor:
    """Attention of one head of layer 0 at a row's first tokens.

    Returns:
        (TAPS, TAPS): at each of the first tokens, the weight of the token that many places back.
        The last row holds for all later tokens; what it leaves out is under 1e-5.
    """
    nats, phases = kernel_parts(head)
    turns = torch.arange(TAPS, dtype=torch.double)[:, None] * torch.tensor(SPEEDS, dtype=torch.double)
    scores = ((turns - phases).cos() * nats).sum(1).repeat(TAPS, 1)
    return scores.masked_fill(torch.ones(TAPS, TAPS).triu(1) > 0, -math.inf).softmax(1).float()


class Places:
    """Which numbers of the residual stream hold what."""

    def __init__(self, width: int) -> None:
        self.own = slice(1, 1 + width // 4)
        eighth = width // 8
        begin = self.own.stop
        self.before = [slice(begin + eighth * i, begin + eighth * (i + 1)) for i in range(3)]
        self.bag = slice(self.before[-1].stop, self.before[-1].stop + eighth)
        self.answer = slice(self.bag.stop, width)


def orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """A random matrix that keeps the mean length of random vectors."""
    size = max(rows, columns)
    square: Tensor = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    return square[:rows, :columns] * math.sqrt(size / min(rows, columns) if rows < columns else 1.0)


@torch.no_grad()
def start(model: Reader, seed: int) -> None:
    """Fill the whole network."""
    generator = torch.Generator().manual_seed(seed)
    shape = model.shape
    places = Places(shape.width)
    codes = torch.randn(shape.vocabulary, places.own.stop - places.own.start, generator=generator)
    codes /= codes.norm(dim=1, keepdim=True)
    model.embedding.normal_(0, 1e-3, generator=generator)
    model.embedding[:, places.own.start - 1 : places.own.stop - 1] = codes
    answer = orthogonal(places.answer.stop - places.answer.start, codes.shape[1], generator)
    rows = codes @ answer.T
    model.head.normal_(0, 1e-3, generator=generator)
    model.head[:, places.answer] = HEAD_GAIN * rows / rows.norm(dim=1, keepdim=True)
    model.taps.copy_(torch.stack([kernel(head) for head in range(shape.heads)]))
    shrink = orthogonal(places.bag.stop - places.bag.start, codes.shape[1], generator)
    for index, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        _fill(layer, generator)
        if layer.kind == "shift":
            _shift(layer, places, shrink)
        else:
            _compare(layer, places, shrink, answer, COPYING.get(index, 1), generator)


def _fill(layer: Layer, generator: torch.Generator) -> None:
    """Small random numbers; what writes into the residual stream writes nothing yet."""
    for weight in (layer.v, layer.gate, layer.up):
        weight.normal_(0, weight.shape[1] ** -0.5, generator=generator)
    for weight in (layer.o, layer.down):
        weight.zero_()
    if layer.kind != "shift":
        for weight in (layer.q, layer.k):
            weight.normal_(0, 0.3 * weight.shape[1] ** -0.5, generator=generator)


def _shift(layer: Layer, places: Places, shrink: Tensor) -> None:
    """Bring the codes of earlier tokens beside the own code."""
    layer.v.zero_()
    small = shrink.shape[0]
    for head, place in enumerate((*places.before, places.bag)):
        begin = head * layer.shape.head_width
        layer.v[begin : begin + small, places.own] = shrink
        gain = 1.0 if head < 3 else 2.0  # a mean of six codes is short
        layer.o[place, begin : begin + small] = gain * torch.eye(small)


def _compare(
    layer: Layer,
    places: Places,
    shrink: Tensor,
    answer: Tensor,
    copying: int,
    generator: torch.Generator,
) -> None:
    """Heads that copy what followed equal words, and heads that look at equal content."""
    for head in range(layer.shape.heads):
        part = slice(head * layer.shape.head_width, (head + 1) * layer.shape.head_width)
        nats = MATCH_NATS if head < copying else MATCH_NATS / 3
        _match(layer, part, places, shrink, FOLLOWING if head < copying else SIMILAR, nats, generator)
        if head < copying:
            _copy(layer, part, places, answer)


def _match(
    layer: Layer,
    part: slice,
    places: Places,
    shrink: Tensor,
    pairs: tuple[tuple[int, int], ...],
    nats: float,
    generator: torch.Generator,
) -> None:
    """Let one head compare places of the query's token with places of the key's."""
    width, small, turning = layer.shape.head_width, shrink.shape[0], 2 * len(SPEEDS)
    q, k = layer.q[part].zero_(), layer.k[part].zero_()
    sources = (places.own, *places.before, places.bag)
    room = (width - turning) // len(pairs)
    for number, (mine, theirs) in enumerate(pairs):
        rows = slice(turning + number * room, turning + (number + 1) * room)
        view = orthogonal(room, small, generator)
        for matrix, index in ((q, mine), (k, theirs)):
            matrix[rows, sources[index]] = view @ shrink if index == 0 else view
    # What equal codes make: the residual stream has three times the embedding's mean square.
    unit = layer.shape.width / 3.0 * room / small
    scale = math.sqrt(nats * math.sqrt(width) / unit)
    q *= scale
    k *= scale


def _copy(layer: Layer, part: slice, places: Places, answer: Tensor) -> None:
    """Let one head prefer the latest of equal places, and write the answer's code of what it looks at."""
    slow, size = 2 * (len(SPEEDS) - 1), answer.shape[1]
    # The constant is 1 / sqrt(3) after the norm. A quarter turn makes the cosine fall from the first token on.
    strength = math.sqrt(RECENCY_NATS * math.sqrt(layer.shape.head_width) * 3.0)
    layer.k[part][slow, 0] = strength
    layer.q[part][slow + 1, 0] = strength
    layer.v[part].zero_()
    layer.v[part][:size, places.own] = torch.eye(size)
    gain = COPY_GAIN / sum(COPYING.values()) / math.sqrt(layer.shape.width / 3.0)
    layer.o[places.answer, part.start : part.start + size] = gain * answer
