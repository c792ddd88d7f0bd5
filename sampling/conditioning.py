"""What the network is conditioned on: for one video, for windows of it, for several videos in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .dual_clock import Anchor


@dataclass(frozen=True)
class Conditioning:
    """Of one video; all K segments of a batch share it, or have each their own where a tensor has one more dimension.

    `reference` is the mode of the VAE's encoder, unscaled: the still repeated L times, or warped along the flow.
    """

    image_embedding: Tensor  # [1, 1, D]; or [K, 1, D]
    reference: Tensor  # [L, c, h, w]; or [K, L, c, h, w]
    added_time_ids: Tensor  # [1, 3] = fps - 1, motion_bucket_id, noise augmentation; or [K, 3]
    motion: tuple[Tensor, ...] | None = None  # [1, N, C_i, h_i, w_i], what MotionUNet.encode_motion gives; or [K, ...]
    motion_scale: float = 1.0
    strength_percent: float | Tensor | None = None  # eq. 8, px/frame at 512 px, times 100; one number, or [K]
    anchor: Anchor | None = None  # what the estimate keeps to, see `dual_clock.anchored`

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditioning:
        """On the network's device, what it sees as features in its dtype; the anchor's latents stay float32."""
        strength = self.strength_percent
        return replace(
            self,
            image_embedding=self.image_embedding.to(device, dtype),
            reference=self.reference.to(device, dtype),
            added_time_ids=self.added_time_ids.to(device),
            motion=self.motion and tuple(level.to(device, dtype) for level in self.motion),
            strength_percent=strength.to(device) if isinstance(strength, Tensor) else strength,
            anchor=self.anchor and self.anchor.to(device),
        )

    def unconditional(self) -> Conditioning:
        """What guidance steers away from: no embedding, no reference, no motion; same time ids and strength."""
        return replace(
            self,
            image_embedding=torch.zeros_like(self.image_embedding),
            reference=torch.zeros_like(self.reference),
            motion=None,
        )

    def with_unconditional(self, segments: int) -> Conditioning:
        """Of a batch [2 K, ...]: K segments as they are, then the same K unconditional."""
        without = self.unconditional()

        def both(name: str, dimensions: int) -> Tensor:
            halves = [getattr(one, name) for one in (self, without)]
            rows = [half if half.ndim == dimensions else half[None] for half in halves]
            return torch.cat([row.expand(segments, *row.shape[1:]) for row in rows])

        motion = self.motion  # without motion a layer adds W_o W_V 0 = 0
        if motion is not None:
            motion = tuple(
                torch.cat([m, torch.zeros_like(m)]) for m in (m.expand(segments, *m.shape[1:]) for m in motion)
            )
        return replace(
            self,
            image_embedding=both("image_embedding", 3),
            reference=both("reference", 5),
            added_time_ids=both("added_time_ids", 2),
            motion=motion,
        )

    def windows(self, starts: Sequence[int], pictures: Callable, features: Callable, levels: Callable) -> Conditioning:
        """Of windows that begin at the frames `starts` of a longer video, tensors [n, L, ...].

        pictures, features, levels: (values of this video's frames, a window's start) -> the window's [L, ...], for
        latents, the motion's features, and the anchor's levels.
        """

        def each(pick: Callable, values: Tensor) -> Tensor:
            return torch.stack([pick(values, start) for start in starts])

        def motion(level: Tensor) -> Tensor:
            fields = level[0]
            if len(fields) == 1:
                return level
            if len(fields) < len(self.reference):  # from each frame to the next: the last frame has none of its own
                fields = torch.cat([fields, fields[-1:]])
            return each(features, fields)

        anchor = self.anchor
        return replace(
            self,
            reference=each(pictures, self.reference),
            motion=self.motion and tuple(map(motion, self.motion)),
            anchor=anchor and Anchor(each(pictures, anchor.target), each(levels, anchor.level)),
        )


def stacked(conditionings: Sequence[Conditioning]) -> Conditioning:
    """One conditioning whose segments have each their own; they have the same parts."""
    first = conditionings[0]
    strength, motion, anchor = first.strength_percent, first.motion, first.anchor
    if strength is not None:
        strength = torch.tensor([one.strength_percent for one in conditionings])
    if motion is not None:
        motion = tuple(torch.cat(maps) for maps in zip(*(one.motion for one in conditionings), strict=True))
    if anchor is not None:
        anchor = Anchor(
            *(torch.stack([getattr(one.anchor, name) for one in conditionings]) for name in ("target", "level"))
        )
    return replace(
        first,
        image_embedding=torch.cat([one.image_embedding for one in conditionings]),
        reference=torch.stack([one.reference for one in conditionings]),
        added_time_ids=torch.cat([one.added_time_ids for one in conditionings]),
        motion=motion,
        strength_percent=strength,
        anchor=anchor,
    )
