"""The picture to animate, padded once."""

from dataclasses import dataclass

from torch import Tensor

from ..flow_tools.convention import pad_to_multiple

PAD = 64  # image sides are padded to a multiple of it: VAE factor 8, UNet factor 8


@dataclass(frozen=True)
class Still:
    image: Tensor  # [1, 3, H, W] −1..1
    padded: Tensor  # the same with sides that divide by PAD
    padding: tuple[int, int, int, int]  # px: top, bottom, left, right

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px, without the padding."""
        height, width = self.image.shape[-2:]
        return height, width


def prepare_still(image: Tensor) -> Still:
    return Still(image, *pad_to_multiple(image, PAD))
