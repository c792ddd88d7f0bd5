"""The picture to animate, padded once, and the size at which the network sees it."""

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.convention import pad_to_multiple, resize_flow
from ..model_loaders import locations
from ..model_loaders.animator import Animator
from .settings import WHOLE

PAD = 64  # image sides are padded to a multiple of it: VAE factor 8, UNet factor 8
WIDER = 1.25  # so much longer the longer side may be, where the picture's shape is met better


@dataclass(frozen=True)
class Still:
    image: Tensor  # [1, 3, H, W] −1..1
    padded: Tensor  # the same with sides that divide by PAD, H' × W'
    padding: tuple[int, int, int, int]  # px: top, bottom, left, right
    sampled: tuple[int, int]  # (height, width) in px of what the network sees of the padded picture

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px, without the padding."""
        height, width = self.image.shape[-2:]
        return height, width

    @property
    def shrinks(self) -> bool:
        return self.sampled != tuple(self.padded.shape[-2:])

    def shrunk(self, x: Tensor) -> Tensor:
        """[n, C, H', W'] → as the network sees it, [n, C, *sampled]."""
        return F.interpolate(x, size=self.sampled, mode="bilinear", antialias=True) if self.shrinks else x

    def shrunk_flow(self, flow: Tensor) -> Tensor:
        """The same of a flow [N, 2, H', W'] px/frame."""
        return resize_flow(flow, *self.sampled) if self.shrinks else flow


def prepare_still(image: Tensor, *, longer: int = 0, unit: int = PAD) -> Still:
    """longer, unit: see `sampled_size`; 0: the network sees all of it."""
    padded, padding = pad_to_multiple(image, PAD)
    height, width = padded.shape[-2:]
    return Still(image, padded, padding, sampled_size(height, width, longer, unit) if longer else (height, width))


def automatic_size(animator: Animator) -> int:
    """px of the longer side that the network is best shown; WHOLE: the picture's own.

    Only of the built-in model is it known that it does as well near its trained size.
    """
    return animator.size if animator.name == locations.BUILTIN else WHOLE


def sampled_size(height: int, width: int, longer: int, unit: int) -> tuple[int, int]:
    """(height, width) in multiples of unit px, the longer one from `longer` to WIDER times that, so that the shape is
    as near to height × width as it can be; height × width where that is no larger.
    """
    first = math.ceil(longer / unit)
    found = []
    for long in range(first, max(first, math.floor(WIDER * longer / unit)) + 1):
        short = long * min(height, width) / max(height, width)
        for side in {max(math.floor(short), 1), math.ceil(short)}:
            found.append((abs(math.log(side / short)), long * unit, side * unit))
    _, long, short = min(found)
    if long >= max(height, width) or short > min(height, width):
        return height, width
    return (short, long) if height < width else (long, short)
