"""Metrics that need networks of other people: LPIPS, FVD and Tem-Cons, from files in models/driftfield/metrics.

Without its files a metric is missing, and said to be. Nothing stands in for it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILES = {
    "LPIPS": ("alexnet.pth", "lpips_alex.pth"),
    "FVD": ("i3d_torchscript.pt",),
    "Tem-Cons": ("clip/config.json", "clip/model.safetensors"),
}
SOURCES = {
    "LPIPS": "torchvision's AlexNet weights, and alex.pth of the authors' lpips package, version 0.1",
    "FVD": "the I3D that StyleGAN-V evaluates with, as TorchScript",
    "Tem-Cons": "a CLIP vision tower as transformers saves it (CLIPVisionModelWithProjection)",
}
LPIPS_MEAN, LPIPS_STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # Zhang et al. 2018, for -1..1
ALEXNET_TAPS = (1, 4, 7, 9, 11)  # the ReLUs of torchvision's AlexNet
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
I3D_LEAST_FRAMES = 9
BATCH = 32


@dataclass(frozen=True)
class Learned:
    """The networks whose files are there; None for the others."""

    lpips: nn.Module | None
    i3d: nn.Module | None
    clip: nn.Module | None
    device: torch.device

    @torch.no_grad()
    def figures(self, frames: Tensor, target: Tensor | None) -> dict:
        """Of frames [N, 3, H, W] -1..1: "tem_cons", "i3d" features of as many frames as target has, and "lpips" to it.

        None for what is missing, or has no target.
        """
        shown = frames if target is None else frames[: len(target)]
        lpips = self.lpips and target is not None
        return {
            "lpips": self.mean_lpips(shown[1:], target[1:]) if lpips else None,
            "tem_cons": self.clip and consistency(self.clip_embeddings(frames)),
            "i3d": self.i3d and self.i3d_features(shown).tolist(),
        }

    def mean_lpips(self, frames: Tensor, target: Tensor) -> float:
        pairs = zip(frames.split(BATCH), target.split(BATCH), strict=True)
        return float(torch.cat([self.lpips(a.to(self.device), b.to(self.device)) for a, b in pairs]).mean())

    def clip_embeddings(self, frames: Tensor) -> Tensor:
        size = self.clip.config.image_size
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        pixels = F.interpolate((frames + 1) / 2, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
        parts = ((pixels - mean) / std).split(BATCH)
        return torch.cat([self.clip(part.to(self.device)).image_embeds.float().cpu() for part in parts])

    def i3d_features(self, frames: Tensor) -> Tensor:
        """[400], as StyleGAN-V asks for them: 0..255, resized and scaled by the network itself."""
        video = ((frames + 1) * 127.5).round().clamp(0, 255).movedim(0, 1)[None]
        return self.i3d(video.to(self.device), rescale=True, resize=True, return_features=True)[0].float().cpu()


def load(folders: list[Path], device: torch.device) -> tuple[Learned, list[str]]:
    """(the networks, what is missing in words) from the first folder that has all files of a metric."""
    found, missing = {}, []
    for metric, files in FILES.items():
        folder = next((folder for folder in folders if all((folder / file).is_file() for file in files)), None)
        found[metric] = folder
        if folder is None:
            where = f"{' and '.join(files)} in {'models/driftfield/metrics'}"
            missing.append(f"{metric} is missing: it needs {where} ({SOURCES[metric]})")
    lpips = found["LPIPS"] and load_lpips(found["LPIPS"]).to(device)
    i3d = found["FVD"] and torch.jit.load(str(found["FVD"] / "i3d_torchscript.pt"), map_location=device).eval()
    clip = found["Tem-Cons"] and load_clip(found["Tem-Cons"] / "clip").to(device)
    return Learned(lpips, i3d, clip, device), missing


class Lpips(nn.Module):
    """Zhang et al. 2018, version 0.1, on AlexNet: weighted distance of unit-length features, mean of the places."""

    def __init__(self, features: nn.Module, weights: list[Tensor]):
        super().__init__()
        self.features = features
        self.weights = nn.ParameterList(weights)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[B, 3, H, W] -1..1 each -> [B]."""
        mean, std = (a.new_tensor(values).view(3, 1, 1) for values in (LPIPS_MEAN, LPIPS_STD))
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


def load_clip(folder: Path) -> nn.Module:
    from transformers import CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)


def consistency(embeddings: Tensor) -> float:
    """Mean cosine of neighbouring frames' embeddings [N, D]."""
    return float(F.cosine_similarity(embeddings[:-1], embeddings[1:]).mean())


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Of two sets of features [n, D]: |mean difference|^2 + tr(A + B - 2 sqrt(A B)) with their covariances A, B.

    ValueError for fewer than two in a set.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"Frechet distance: got {len(a)} and {len(b)} videos, allowed 2 or more each")
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(b.shape[1], -1)
    # tr sqrt(A B) from the singular values of the centred features: no square root of a singular matrix.
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    cross = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)
