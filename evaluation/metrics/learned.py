"""Metrics that need networks of other people: LPIPS, FVD and Tem-Cons, from files in models/driftfield/metrics.

Without its files a metric is missing, and said to be. Nothing stands in for it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lpips import load_lpips
from .tem_cons import consistency

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
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
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


def load_clip(folder: Path) -> nn.Module:
    from transformers import CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
