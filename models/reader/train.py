"""Train the reader: `python -m models.reader.train --out FOLDER --minutes 105`.

One process trains with one thread, another makes rows. The plan is in shares
of the time: rows grow from 160 to 2,048 tokens, and the dialogues from plain to
everything. The rate falls to zero at the end; the weights before that are kept
too (`before-decay.pt`), so that a later run can go on from them.

Every few minutes it writes `last.pt` (weights, optimizer, the place in the
data, tokens and seconds so far), `latest.gguf`, and a line that says how often the
first and all tokens of a value are right in rows never trained on, by the
distance in tokens from the place where the value was last said.
"""

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from .export import Provenance, export
from .network import Layer, Reader, Shape, rms
from .optimise import Optimizer
from .replies import LINE, RESTATED, VALUE
from .rows import make_rows
from .start import COPYING, start

HERE = Path(__file__).parent
WARM_STEPS = 60
DECAY = 0.45  # share of the time at the end over which the rate falls to zero
PICKED = 0.42  # share of a row that may be learnt from; nine rows of ten have less
KEEP_SECONDS = 180.0
COPY_WEIGHT = 0.1  # of the copying loss, beside the dialogues
COPY_TOKENS = 384  # tokens it is asked about at each step
CHUNK = 64  # batches made from one seed
SPANS = {RESTATED: "restated", LINE: "line"}  # by loss weight
WATCHED_SEED = 990_001  # rows that are never trained on


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the training with rows of one length."""

    share: float  # of the whole time
    length: int  # tokens of a row
    rows: int  # of a step
    ease: float
    window: int | None  # what the local layer sees


PLAN = (
    Stage(0.03, 160, 20, 0.8, None),
    Stage(0.12, 320, 10, 0.5, None),
    Stage(0.20, 640, 5, 0.3, 64),
    Stage(0.27, 1216, 3, 0.2, 64),
    Stage(0.23, 2048, 2, 0.15, 64),
    Stage(0.15, 2048, 2, 0.1, None),
)


@dataclass(slots=True)
class Progress:
    """How far the training is; kept in the checkpoint."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    batches: int = 0  # of the present stage, so that the data go on where they stopped
    stage: int = 0
    earlier: float = 0.0  # seconds of the runs whose weights were taken up


Batch = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]


def make_batch(rows: Iterator[Any], stage: Stage, rng: np.random.Generator) -> Batch:
    """Stack rows, and choose the places to learn from.

    Returns:
        ids (rows, tokens), picks (rows, picked): places whose next token is
        learnt, and the weight of each; a place picked only to fill up weighs 0.
    """
    picked = int(stage.length * PICKED) // 16 * 16
    ids = np.zeros((stage.rows, stage.length), np.int64)
    picks = np.zeros((stage.rows, picked), np.int64)
    weights = np.zeros((stage.rows, picked), np.float32)
    for row in range(stage.rows):
        tokens, weight = next(rows)
        ids[row] = tokens
        places = np.flatnonzero(weight[1:] > 0)
        if len(places) > picked:  # what weighs least goes first
            order = np.argsort(-(weight[1:][places] + 0.01 * rng.random(len(places))))
            places = np.sort(places[order[:picked]])
        picks[row, : len(places)] = places
        weights[row, : len(places)] = weight[1:][places]
    return ids, picks, weights


def feed(queue: Any, seed: int, stage: Stage, number: int, first: int) -> None:
    """Make batches for ever, in a process of its own."""
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    for chunk in itertools.count(first // CHUNK):
        own = (seed * 100 + number) * 1_000_000 + chunk
        rows = make_rows(own, stage.length, stage.ease, tokenizer)
        rng = np.random.default_rng(own)
        for _ in range(CHUNK):
            queue.put(make_batch(rows, stage, rng))


class Feeder:
    """The process that makes the rows, beside the one that trains."""

    PATIENCE_SECONDS = 120.0  # a feeder that makes nothing for so long is taken for lost

    def __init__(self, seed: int, stage: Stage, number: int, first: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.queue: Any = context.Queue(16)
        arguments = (self.queue, seed, stage, number, first)
        self.process = context.Process(target=feed, args=arguments, daemon=True)
        self.process.start()

    def __enter__(self) -> "Feeder":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()

    def take(self) -> Batch:
        """The next batch.

        Raises:
            queue.Empty: the process makes none; what it printed says why.
        """
        batch: Batch = self.queue.get(timeout=self.PATIENCE_SECONDS)
        return batch


def rate_at(share: float, steps: int, peak: float = 1.0) -> float:
    """The rate, `peak` at most, after this share of the time."""
    warm = min(1.0, (steps + 1) / WARM_STEPS)
    return peak * warm * min(1.0, max(0.0, (1 - share) / DECAY))


def loss_of(model: Any, batch: Batch, stage: Stage, device: str) -> Tensor:
    """Weighted cross entropy of the picked places."""
    ids, picks, weights = (torch.from_numpy(part).to(device) for part in batch)
    logits = model(ids, picks, stage.window)
    targets = ids.gather(1, (picks + 1).clamp(max=ids.shape[1] - 1))
    losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def copy_loss(model: Reader, tokens: Tensor) -> Tensor:
    """How badly the copying heads copy these tokens: what a head writes about a token should spell that token.

    Dialogues alone let it fade: after 11 M tokens only 64 of 100 tokens were best spelt by what
    the head wrote about them, and rare first pieces of names came out as others.
    """
    table, losses = model.table()[tokens], []
    for number, heads in COPYING.items():
        layer = model.layers[number]
        assert isinstance(layer, Layer)
        if layer.kind == "local":  # its heads have come to do other work
            continue
        values = functional.linear(table * layer.attention_norm, layer.v)
        for head in range(heads):
            part = slice(head * model.shape.head_width, (head + 1) * model.shape.head_width)
            written = functional.linear(values[:, part], layer.o[:, part])
            # half the usual size, so that it must spell clearly
            logits = functional.linear(rms(written) * model.norm, model.head) / 2
            losses.append(functional.cross_entropy(logits, tokens))
    return torch.stack(losses).mean()


class Watch:
    """Teacher-forced accuracy on rows that are never trained on."""

    BOUNDS = (100, 300, 700, 1200, 2048)

    def __init__(self, tokenizer: Any, count: int = 16) -> None:
        self.unknown = tokenizer.encode(" ...", add_special_tokens=False).ids[0]
        rows = make_rows(WATCHED_SEED, 2048, 0.1, tokenizer)
        self.rows = [next(rows) for _ in range(count)]

    @torch.no_grad()
    def look(self, model: Reader, length: int) -> str:
        """Rates of right first tokens / right whole values, by distance; and of "...".

        Args:
            model: not compiled.
            length: only this much of each row is read.
        """
        counts: dict[str, list[int]] = {}
        for ids, weights in self.rows:
            tokens = torch.from_numpy(ids[:length].astype(np.int64))[None].to(model.norm.device)
            said = model(tokens)[0].argmax(-1).cpu().numpy()
            right = np.concatenate(([False], said[:-1] == ids[1:length]))
            wrongly = np.concatenate(([False], said[:-1] == self.unknown))
            self._count(ids[:length], weights[:length], right, wrongly, counts)
        parts = [
            f"{name} {100 * first / n:.0f}/{100 * whole / n:.0f} ({n}, ... {100 * unknown / n:.0f})"
            for name, (n, first, whole, unknown) in sorted(counts.items())
        ]
        return "; ".join(parts)

    def _count(self, ids: Any, weights: Any, right: Any, wrongly: Any, counts: dict[str, list[int]]) -> None:
        """Add one row's decisions to the counts: values, "...", restated values, and the first words of a summary's lines."""
        edges = np.flatnonzero(np.diff(weights, prepend=0.0, append=0.0))
        for begin, end in itertools.pairwise(int(edge) for edge in edges):
            if ids[begin] == self.unknown:
                name = "..."
            elif weights[begin] == VALUE:
                name = self._bucket(ids, begin, end)
            elif weights[begin] in SPANS:
                name = SPANS[float(weights[begin])]
            else:
                continue
            count = counts.setdefault(name, [0, 0, 0, 0])
            for index, add in enumerate((1, right[begin], right[begin:end].all(), wrongly[begin])):
                count[index] += int(add)

    def _bucket(self, ids: Any, begin: int, end: int) -> str:
        """How far back the same tokens were last said."""
        span = list(ids[begin:end])
        for place in range(begin - 1, -1, -1):
            if ids[place] == span[0] and list(ids[place : place + len(span)]) == span:
                return next(f"<{bound:04}" for bound in self.BOUNDS if begin - place <= bound)
        return "unsaid"


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint so that a killed run leaves the last whole one."""
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


class Trainer:
    """One run, from the first step or from a checkpoint."""

    def __init__(self, out: Path, minutes: float, device: str, seed: int, shape: Shape | None) -> None:
        self.out, self.total, self.device, self.seed = out, minutes * 60, device, seed
        self.tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
        self.shape = shape or Shape(vocabulary=self.tokenizer.get_vocab_size())
        self.model = Reader(self.shape)
        start(self.model, seed)
        self.model.to(device)
        self.optimizer = Optimizer(self.model)
        self.progress = Progress()
        self.watch = Watch(self.tokenizer)
        self.plan: tuple[Stage, ...] = PLAN
        self.peak = 1.0

    def shorten(self, skipped: int, peak: float) -> None:
        """Leave out the first stages of the plan, and learn at a lower rate: for a run that goes on from good weights."""
        left = PLAN[skipped:]
        whole = sum(stage.share for stage in left)
        self.plan = tuple(replace(stage, share=stage.share / whole) for stage in left)
        self.peak = peak

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        kept = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(kept["model"])
        self.optimizer.load(kept["optimizer"])
        self.progress = Progress(**kept["progress"])

    def take_up(self, path: Path) -> None:
        """Begin the plan with the weights of another run instead of the hand-made start; its tokens are counted."""
        kept = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(kept["model"])
        before = Progress(**kept["progress"])
        self.progress = Progress(tokens=before.tokens, earlier=before.earlier + before.seconds)

    def keep(self, name: str) -> None:
        """Write a checkpoint and the file for the engine."""
        progress = self.progress
        kept = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state(),
            "seed": self.seed,
            "progress": {field: getattr(progress, field) for field in Progress.__dataclass_fields__},
        }
        write(self.out / name, kept)
        made = Provenance(seed=self.seed, tokens=progress.tokens, seconds=progress.earlier + progress.seconds)
        export(self.model, HERE / "tokenizer.json", self.out / "latest.gguf", made)

    def say(self, text: str) -> None:
        """One line of progress."""
        print(time.strftime("%H:%M:%S"), text, flush=True)

    def train(self) -> None:
        """Run the plan to its end."""
        self.say(f"{sum(p.numel() for p in self.model.parameters())} parameters")
        ends = list(itertools.accumulate(stage.share for stage in self.plan))
        for number, (stage, end) in enumerate(zip(self.plan, ends, strict=True)):
            if self.progress.seconds < end * self.total:
                if number != self.progress.stage:
                    self.progress.stage, self.progress.batches = number, 0
                self._stage(stage, number, end * self.total)
        self.keep("last.pt")
        self.say("the end: " + self.watch.look(self.model, 2048))

    def _stage(self, stage: Stage, number: int, until: float) -> None:
        """Train on rows of one length."""
        self.say(f"stage {number}: {json.dumps([stage.length, stage.rows, stage.ease, stage.window])}")
        torch._dynamo.reset()
        model = torch.compile(self.model, dynamic=False)
        kept = self.progress.seconds
        losses: list[float] = []
        origin = time.monotonic() - kept
        with Feeder(self.seed, stage, number, self.progress.batches) as feeder:
            while self.progress.seconds < until:
                losses.append(self._step(model, feeder.take(), stage))
                self.progress.seconds = time.monotonic() - origin
                if self.progress.seconds - kept > KEEP_SECONDS:
                    self._report(stage, losses, self.progress.seconds - kept)
                    kept = self.progress.seconds
                    losses.clear()

    def _step(self, model: Any, batch: Batch, stage: Stage) -> float:
        """One step of the optimizer."""
        loss = loss_of(model, batch, stage, self.device)
        tokens = torch.randint(self.shape.vocabulary, (COPY_TOKENS,), device=self.device)
        (loss + COPY_WEIGHT * copy_loss(self.model, tokens)).backward()
        self.optimizer.step(rate_at(self.progress.seconds / self.total, self.progress.steps, self.peak))
        self.progress.steps += 1
        self.progress.batches += 1
        self.progress.tokens += stage.length * stage.rows
        return float(loss.detach())

    def _report(self, stage: Stage, losses: list[float], seconds: float) -> None:
        """Keep a checkpoint and say how it goes."""
        share = self.progress.seconds / self.total
        if share < 1 - DECAY:
            self.keep("before-decay.pt")
        self.keep("last.pt")
        mean = sum(losses) / len(losses)
        rate = stage.length * stage.rows * len(losses) / seconds
        self.say(
            f"{100 * share:.0f} %, {self.progress.tokens / 1e6:.2f} M tokens, {rate:.0f} tokens/s, loss {mean:.3f}, "
            + self.watch.look(self.model, max(stage.length, 640))
        )


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description="Train the reader.")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the file")
    parser.add_argument("--minutes", type=float, default=105.0, help="time to train")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="begin with the weights of this checkpoint")
    parser.add_argument(
        "--skip", type=int, default=0, help="stages of the plan to leave out at its beginning"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="share of the usual rate to learn at")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options.out, options.minutes, options.device, options.seed, None)
    trainer.shorten(options.skip, options.rate)
    if options.weights:
        trainer.take_up(options.weights)
    if options.resume and (options.out / "last.pt").exists():
        trainer.resume(options.out / "last.pt")
    trainer.train()


if __name__ == "__main__":
    main()
