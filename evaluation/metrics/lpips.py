"""LPIPS: distance of pictures as an AlexNet with the authors' weights sees them."""

from pathlib import Path

import torch
from torch import Tensor, nn

MEAN, STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # Zhang et al. 2018, for -1..1
ALEXNET_TAPS = (1, 4, 7, 9, 11)  # the ReLUs of torchvision's AlexNet


class Lpips(nn.Module):
    """Zhang et al. 2018, version 0.1, on AlexNet: weighted distance of unit-length features, mean of the pixels."""

    def __init__(self, features: nn.Module, weights: list[Tensor]):
        super().__init__()
        self.features = features
        self.weights = nn.ParameterList(weights)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[B, 3, H, W] -1..1 each -> [B]."""
        mean, std = (a.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        a, b = (a - mean) / std, (b - mean) / std
        total = a.new_zeros(len(a))
        taps = iter(self.weights)
        for i, layer in enumerate(self.features):
            a, b = layer(a), layer(b)
            if i in ALEXNET_TAPS:
                distance = (unit_length(a) - unit_length(b)).square()
                total = total + (distance * next(taps).view(-1, 1, 1)).sum(1).mean((1, 2))
        return total


def unit_length(features: Tensor) -> Tensor:
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)


def load_lpips(folder: Path) -> Lpips:
    from torchvision.models import alexnet

    network = alexnet(weights=None)
    network.load_state_dict(torch.load(folder / "alexnet.pth", weights_only=True))
    linear = torch.load(folder / "lpips_alex.pth", weights_only=True)
    weights = [linear[f"lin{i}.model.1.weight"].flatten() for i in range(len(ALEXNET_TAPS))]
    for layer in network.features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return Lpips(network.features, weights).eval().requires_grad_(False)
