"""The animator's training set: clips and synthetic scenes as latents, with their flow and warped references."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor

from ...flow_tools.convention import REFERENCE_SIZE, flip_flow
from ...flow_tools.warp import reference_video
from .prepared_set import to_unit
from .scenes import render_scenes

FLOW_FACTOR = 2  # flows are kept at 1/2 of the frames' size, or less:
KEPT_FLOW_SIZE = 128  # px, of the flows of frames of twice that size and more
BATCH = 16  # clips encoded together,
ENCODED_PIXELS = 64 * 256**2  # so many at once


@dataclass
class LatentClips:
    """S clips of L frames, on one device. Latents are the encoder's mode, unscaled."""

    latents: Tensor  # [S, L, c, h, w] half
    warped: Tensor  # [S, L, c, h, w] half: frame 0 warped by the accumulated flow, then encoded
    flow: Tensor  # [S, L − 1, 2, H/n, W/n] half, px/frame on this grid
    images: Tensor  # [S, 3, H, W] uint8: frame 0
    strength_percent: Tensor  # [S] float: eq. 8

    def __len__(self) -> int:
        return len(self.latents)

    def take(self, index: Tensor, device: torch.device) -> "LatentClips":
        """The clips of these numbers, on the device."""
        index = index.to(self.latents.device)
        return LatentClips(*(getattr(self, name)[index].to(device) for name in self.__dataclass_fields__))

    def evenly_chosen(self, count: int, device: torch.device) -> "LatentClips":
        """At most count of them, evenly from the first on."""
        return self.take(torch.arange(0, len(self), -(-len(self) // count)), device)


@torch.no_grad()
def encode(vae: AutoencoderKLTemporalDecoder, pictures: Tensor) -> Tensor:
    """[N, 3, H, W] −1..1 → [N, c, h, w] half."""
    pictures = pictures.to(vae.dtype)
    chunk = max(1, ENCODED_PIXELS // (pictures.shape[-2] * pictures.shape[-1]))
    parts = [vae.encode(part.contiguous(memory_format=torch.channels_last)) for part in pictures.split(chunk)]
    return torch.cat([part.latent_dist.mean.half() for part in parts])


@torch.no_grad()
def encode_batch(vae: AutoencoderKLTemporalDecoder, video: Tensor, flow: Tensor) -> LatentClips:
    """video [B, L, 3, H, W] −1..1 with its flow [B, L − 1, 2, H, W] px/frame, encoded with its warped references."""
    batch, frames = video.shape[:2]
    with ThreadPoolExecutor() as pool:
        warped = torch.cat(list(pool.map(lambda clip, own: reference_video(clip[:1], own, frames), video, flow)))
    strength = 100 * flow.abs().mean(dim=(1, 2, 3, 4)) * REFERENCE_SIZE / max(flow.shape[-2:])  # eq. 8
    factor = max(FLOW_FACTOR, flow.shape[-1] // KEPT_FLOW_SIZE)
    return LatentClips(
        latents=encode(vae, video.flatten(0, 1)).unflatten(0, (batch, frames)),
        warped=encode(vae, warped).unflatten(0, (batch, frames)),
        flow=(F.avg_pool2d(flow.flatten(0, 1), factor) / factor).unflatten(0, flow.shape[:2]).half(),
        images=((video[:, 0] + 1) * 127.5).round().clamp(0, 255).byte(),
        strength_percent=strength,
    )


def joined(parts: Iterable[LatentClips]) -> LatentClips | None:
    """One set out of several, with no second copy of everything at once; None out of none."""
    if not (parts := list(parts)):
        return None
    return LatentClips(*(torch.cat([getattr(p, name) for p in parts]) for name in LatentClips.__dataclass_fields__))


def from_clips(
    vae: AutoencoderKLTemporalDecoder, clips: list[Tensor], flows: list[Tensor], backward_flows: list[Tensor] | None,
    *, frames: int, stride: int,
) -> list[LatentClips]:  # fmt: skip
    """Windows of every clip, each as it is, mirrored, and played backwards; as it is alone without backward_flows.

    backward_flows: those of the reversed clips.
    """
    device, parts, batch = vae.device, [], []

    def flush() -> None:
        if batch:
            parts.append(encode_batch(vae, *(torch.stack(items) for items in zip(*batch, strict=True))))
            batch.clear()

    for number, (clip, flow) in enumerate(zip(clips, flows, strict=True)):
        video = to_unit(clip.to(device))
        ways = [(video, flow.to(device))]
        if backward_flows is not None:
            ways.append((video.flip(0), backward_flows[number].to(device)))
        for pictures, motion in ways:
            for start in range(0, len(clip) - frames + 1, stride):
                window, steps = pictures[start : start + frames], motion[start : start + frames - 1]
                batch.append((window, steps))
                if backward_flows is not None:
                    batch.append((window.flip(-1), flip_flow(steps)))
                if len(batch) >= BATCH:
                    flush()
    flush()
    return parts


def from_scenes(
    vae: AutoencoderKLTemporalDecoder, stills: list[Tensor], *, frames: int, size: int, rounds: int,
    generator: torch.Generator,
) -> list[LatentClips]:  # fmt: skip
    """`rounds` synthetic scenes of size × size px over every still."""
    parts = []
    for _ in range(rounds):
        for some in torch.randperm(len(stills), generator=generator).split(BATCH):
            pictures = torch.stack([to_unit(stills[i].to(vae.device)) for i in some.tolist()])
            video, flow = render_scenes(pictures, frames=frames, size=size, generator=generator)
            parts.append(encode_batch(vae, video, flow))
    return parts
