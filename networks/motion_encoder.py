"""Motion encoder: optical flow to a feature map for each resolution of the UNet (paper 3.2, after Endo et al. 2019)."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..flow_tools.convention import REFERENCE_SIZE


class ResidualBlock(nn.Module):
    """Pre-activation residual block that halves the resolution.

    The shortcut has no normalisation: instance norm alone would make a uniform flow and a still one look the same.
    """

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.InstanceNorm2d(channels_in, affine=True),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels_in, channels_in, 3, padding=1),
            nn.InstanceNorm2d(channels_in, affine=True),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
            nn.AvgPool2d(2),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels_in, channels_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class MotionEncoder(nn.Module):
    """Convolutional trunk of Endo et al.'s E_ResNet without its pooling: a spatial pyramid.

    widths: channels of the maps at 1/8, 1/16, … of the flow's size, one for each UNet resolution.
    flow_scale_px: px/frame at a 512-px reference that the network sees as 1.
    """

    def __init__(self, widths: tuple[int, ...], *, base_channels: int, flow_scale_px: float):
        super().__init__()
        self.flow_scale_px = flow_scale_px
        trunk = [min(base_channels * 2**i, widths[-1]) for i in range(len(widths) + 2)]
        self.stem = nn.Conv2d(2, trunk[0], 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in zip(trunk[:-1], trunk[1:], strict=True))
        self.heads = nn.ModuleList(nn.Conv2d(c, width, 1) for c, width in zip(trunk[2:], widths, strict=True))

    def forward(self, flow: Tensor) -> list[Tensor]:
        """flow [N, 2, H, W] px/frame, H and W divisible by 8·2^(levels−1) → maps [N, C_i, H/8/2^i, W/8/2^i]."""
        height, width = flow.shape[-2:]
        unit = REFERENCE_SIZE / (max(height, width) * self.flow_scale_px)
        x = self.stem((flow * unit).to(self.stem.weight.dtype))
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i > 0:
                maps.append(self.heads[i - 1](F.leaky_relu(x, 0.2)))
        return maps
