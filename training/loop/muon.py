"""Muon, for the matrices of a network: momentum orthogonalised by Newton-Schulz (Jordan et al. 2024)."""

from collections import defaultdict

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon with adjust_lr_fn "match_rms_adamw", for parameters of two or more dimensions.

    A convolution's weight counts as the matrix [out, in · kernel]. Matrices of one shape are orthogonalised together:
    a network's hundreds of small ones are launch-bound one by one.
    """

    def __init__(self, parameters, lr: float, *, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in parameters]
            for p in parameters:
                if not self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            momenta = [self.state[p]["momentum"] for p in parameters]
            torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
            updates = torch._foreach_lerp(grads, momenta, group["momentum"])
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            by_shape = defaultdict(list)
            for parameter, update in zip(parameters, updates, strict=True):
                by_shape[parameter.shape].append((parameter, update))
            for shape, pairs in by_shape.items():
                matrices = orthogonalized(torch.stack([update.flatten(1) for _, update in pairs]))
                rate = group["lr"] * 0.2 * max(matrices.shape[1:]) ** 0.5
                updates = matrices.to(pairs[0][0].dtype).view(-1, *shape).unbind()
                torch._foreach_add_([parameter for parameter, _ in pairs], updates, alpha=-rate)


def orthogonalized(matrices: Tensor) -> Tensor:
    """[n, A, B] → about U Vᵀ of each; in bfloat16 on a GPU."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
