"""One optimizer for the reader: Muon for its matrices, Adam for its tables and norms.

Muon (Jordan 2024) steps along the nearest orthogonal matrix to the averaged
gradient; all matrices of the reader have one shape, or its transpose, so one
batched iteration serves them all.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .network import Reader

MUON_RATE = 0.012  # length of a step in every direction of a matrix
ADAM_RATE = 0.003
# Five steps of Polar Express (Amsel and others 2025): singular values from 0.002 up come near one.
STEPS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)


def orthogonalise(stack: Tensor) -> Tensor:
    """The nearest orthogonal matrix to each of a stack of wide ones, (matrices, rows, columns), roughly."""
    x: Tensor = stack / (torch.linalg.matrix_norm(stack, keepdim=True) * 1.01 + 1e-12)
    for a, b, c in STEPS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Optimizer:
    """Muon and Adam together; the rate is given at each step."""

    def __init__(self, model: Reader) -> None:
        self.matrices = [p for layer in model.layers for p in layer.parameters() if p.ndim == 2]
        self.wide = [p.shape[0] <= p.shape[1] for p in self.matrices]
        tables = (model.embedding, model.head)
        norms = [p for p in model.parameters() if p.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": list(tables), "scale": 1.0},
            {"params": norms, "scale": 0.5},
        ]
        self.adam = torch.optim.Adam(groups, lr=ADAM_RATE, betas=(0.9, 0.98), fused=True)
        first = self.matrices[0]
        rows, columns = sorted(first.shape)
        self.average = torch.zeros(len(self.matrices), rows, columns, device=first.device)
        self.stretch = math.sqrt(columns / rows)  # a tall matrix steps further (Jordan 2024)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all weights.

        Args:
            rate: 1 for the full rates.
        """
        for group in self.adam.param_groups:
            group["lr"] = ADAM_RATE * rate * group["scale"]
        self.adam.step()
        grads = [p.grad for p in self.matrices if p.grad is not None]
        stack = torch.stack([g if wide else g.mT for g, wide in zip(grads, self.wide, strict=True)])
        momentum = 0.95
        self.average.lerp_(stack, 1 - momentum)
        moves = orthogonalise(stack.lerp(self.average, momentum))
        for weight, move, wide in zip(self.matrices, moves, self.wide, strict=True):
            weight.add_(move if wide else move.mT, alpha=-MUON_RATE * rate * (1.0 if wide else self.stretch))
        for p in (*self.matrices, *(p for group in self.adam.param_groups for p in group["params"])):
            p.grad = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"adam": self.adam.state_dict(), "average": self.average}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a kept state."""
        self.adam.load_state_dict(state["adam"])
        self.average.copy_(state["average"])
