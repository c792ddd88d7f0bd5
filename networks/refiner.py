"""Flow refiner T: pix2pix from dense Gaussian flow to plausible flow (paper 3.2, after Isola et al. 2017)."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..flow_tools.convention import REFERENCE_SIZE, crop_padding, pad_to_multiple
from ..flow_tools.dense import default_sigma_px

HINT_REACHES = (1 / 3, 1 / 12)  # of the default sigma: how far what the network sees of a hint reaches
FAINT = 0.05  # a Gaussian weight, at which what a hint says has faded to a half
COLOUR_PX = 2  # at a side of 256 px: how far the colour under a hint is the mean of
RESTING = 0.2  # of the fastest hint's speed


@dataclass(frozen=True)
class RefinerConfig:
    """What rebuilds a refiner: stored as JSON in the metadata of its file."""

    image_conditioned: bool = True  # ours; the paper's figure shows the field alone
    base_channels: int = 64
    max_channels: int = 512
    levels: int = 8
    flow_scale_px: float = 8.0  # px/frame at a 512-px reference that the network sees as 1
    hints: bool = False  # ours: whether it sees the hints, too
    gated: bool = False  # ours: it multiplies the dense field and the hints' features besides adding to them
    relative: bool = False  # ours: the longest vector, of the field and the hints, is what the network sees as 1
    colours: bool = False  # ours: it sees how far each pixel's colour is from the colours under the hints
    size: int = 0  # ours: px of the longer side at which its convolutions see things, as in training; 0: as they are

    @classmethod
    def from_dict(cls, values: dict) -> "RefinerConfig":
        """Raises ValueError on unknown fields."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"refiner config: {error}; allowed fields: {sorted(cls.__dataclass_fields__)}") from error

    def to_dict(self) -> dict:
        return asdict(self)

    @property
    def condition_channels(self) -> int:
        """Of the dense field and the image."""
        return 5 if self.image_conditioned else 2

    @property
    def hint_channels(self) -> int:
        return 3 * len(HINT_REACHES) if self.hints else 0

    @property
    def colour_channels(self) -> int:
        """Of the colours under the hints."""
        return 8 if self.colours else 0

    @property
    def gates(self) -> int:
        """One for the dense field and one for each reach of the hints."""
        return (1 + self.hint_channels // 3) if self.gated else 0


class FlowRefiner(nn.Module):
    """U-Net generator that predicts the correction of the dense field."""

    def __init__(self, config: RefinerConfig):
        super().__init__()
        if config.colours and not (config.hints and config.image_conditioned):
            raise ValueError("refiner config: got colours, allowed with hints and image_conditioned")
        self.config = config
        widths = [min(config.base_channels * 2**i, config.max_channels) for i in range(config.levels)]
        last = config.levels - 1
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for i, width in enumerate(widths):
            seen = config.condition_channels + config.hint_channels + config.colour_channels
            before = seen if i == 0 else widths[i - 1]
            conv = nn.Conv2d(before, width, 4, stride=2, padding=1)
            # The outermost level keeps the magnitude of the flow, the innermost may be a single pixel: no norm there.
            norm = nn.Identity() if i in (0, last) else nn.InstanceNorm2d(width, affine=True)
            self.down.append(nn.Sequential(conv, norm))
            after = 2 + config.gates if i == 0 else widths[i - 1]
            self.up.append(nn.ConvTranspose2d(width if i == last else 2 * width, after, 4, stride=2, padding=1))
        self.up_norms = nn.ModuleList(nn.InstanceNorm2d(width, affine=True) for width in widths[:-1])
        nn.init.normal_(self.outermost.weight, std=1e-3)
        nn.init.zeros_(self.outermost.bias)

    @property
    def outermost(self) -> Any:
        """The layer that gives the correction."""
        return self.up[0]

    def forward(self, flow: Tensor, image: Tensor | None = None, hints: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """flow [B, 2, H, W] px/frame and image [B, 3, H, W] −1..1 → flow [B, 2, H, W] px/frame, of any size from 2×2.

        hints: sparse flow [B, 2, H, W] and its mask [B, 1, H, W]; a refiner that sees hints does without them, too.
        Raises ValueError where the image is missing or superfluous, hints are superfluous, and where a side is 1 px.
        """
        if (image is not None) != self.config.image_conditioned:
            wanted = "an image" if self.config.image_conditioned else "no image"
            raise ValueError(f"refiner: got {'an' if image is not None else 'no'} image, this refiner wants {wanted}")
        if hints is not None and not self.config.hints:
            raise ValueError("refiner: got hints, this refiner sees none")
        height, width = flow.shape[-2:]
        if min(height, width) < 2:
            raise ValueError(f"refiner: got a field of {height}×{width} px, allowed sides of 2 px or more")
        scale = self.config.flow_scale_px * max(height, width) / REFERENCE_SIZE
        if self.config.relative:
            given = flow if hints is None else torch.cat([flow, hints[0]], dim=-1)
            scale = given.norm(dim=1, keepdim=True).amax((2, 3), keepdim=True).clamp_min(scale / 1000)
        seen = flow / scale
        features = flow.new_zeros(len(flow), self.config.hint_channels, height, width)
        colours = flow.new_zeros(len(flow), self.config.colour_channels, height, width)
        if hints is not None:
            features = hint_features(*hints, scale)
            if self.config.colours and image is not None:
                colours = colour_features(image, *hints)
        x = torch.cat([part for part in (seen, image, features, colours) if part is not None], dim=1)
        shrunk = resized(x.to(self.outermost.weight.dtype), self.config.size / max(height, width))
        x, padding = pad_to_multiple(shrunk, 2**self.config.levels, mode="reflect")
        skips = []
        for i, down in enumerate(self.down):
            x = down(x if i == 0 else F.leaky_relu(x, 0.2))
            skips.append(x)
        x = skips.pop()
        for i in reversed(range(len(self.up))):
            x = self.up[i](F.relu(x))
            if i > 0:
                x = torch.cat([self.up_norms[i - 1](x), skips.pop()], dim=1)
        x = crop_padding(x, padding).to(flow.dtype)
        x = x if x.shape[-2:] == flow.shape[-2:] else F.interpolate(x, size=(height, width), mode="bilinear")
        correction, gates = x.split([2, self.config.gates], dim=1)
        if self.config.gated:
            given = torch.cat([seen, *features.split([2, 1] * (self.config.gates - 1), dim=1)[::2]], dim=1)
            given = given.unflatten(1, (-1, 2)) * gates.unflatten(1, (-1, 1))
            correction = correction + given.sum(1)
        return flow + scale * correction


def resized(maps: Tensor, scale: float) -> Tensor:
    """[B, C, H, W] with scale times as many pixels along a side, 2 or more; 0 and 1: as they are."""
    if scale in (0, 1):
        return maps
    size = [max(2, round(side * scale)) for side in maps.shape[-2:]]
    if scale < 1:
        return F.interpolate(maps, size=size, mode="area")
    return F.interpolate(maps, size=size, mode="bilinear")


def hint_features(sparse: Tensor, hints: Tensor, scale: Tensor | float) -> Tensor:
    """Hints as convolutions see them: for each of HINT_REACHES their flow / scale, fading out, and how near they are.

    sparse [B, 2, H, W] px/frame and mask [B, 1, H, W] → [B, 6, H, W].
    """
    height, width = sparse.shape[-2:]
    hinted = (hints > 0).to(sparse.dtype)
    values = torch.cat([sparse / scale * hinted, hinted], dim=1)
    maps = []
    for reach in HINT_REACHES:
        sigma = reach * default_sigma_px(height, width)
        total = gaussian(height, sigma, values) @ values @ gaussian(width, sigma, values)
        maps.append(total / (total[:, 2:] + FAINT))
    return torch.cat(maps, dim=1)


def colour_features(image: Tensor, sparse: Tensor, hints: Tensor) -> Tensor:
    """How far each pixel's colour is from those under the hints that move, and under those that rest.

    image [B, 3, H, W] −1..1, sparse [B, 2, H, W] px/frame and mask [B, 1, H, W] → [B, 8, H, W]: for each kind the
    colour under its hints, the nearest weighing most, less the pixel's own, fading out, and how near they are. A hint
    that is slower than RESTING of the fastest rests.
    """
    height, width = image.shape[-2:]
    hinted, speed = hints > 0, sparse.norm(dim=1, keepdim=True)
    moves = speed > RESTING * speed.where(hinted, 0).amax((2, 3), keepdim=True)
    reach = round(COLOUR_PX * max(height, width) / 256)
    around = F.avg_pool2d(image, 2 * reach + 1, 1, reach, count_include_pad=False)
    down, across = (gaussian(size, default_sigma_px(height, width), image) for size in (height, width))
    maps = []
    for kind in (hinted & moves, hinted & ~moves):
        chosen = kind.to(image.dtype)
        total = down @ torch.cat([around * chosen, chosen], dim=1) @ across
        near = total[:, 3:] / (total[:, 3:] + FAINT)
        maps += [(total[:, :3] / total[:, 3:].clamp_min(1e-6) - image) * near, near]
    return torch.cat(maps, dim=1)


def gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    """[size, size]: exp(−(i − j)² / sigma²)."""
    position = torch.arange(size, device=like.device, dtype=torch.float32)
    return torch.exp(-(((position - position[:, None]) / sigma) ** 2)).to(like.dtype)


class PatchDiscriminator(nn.Module):
    """70×70 PatchGAN over the refiner's input and a flow, real or refined."""

    def __init__(self, config: RefinerConfig):
        super().__init__()
        width = config.base_channels
        layers = [nn.Conv2d(config.condition_channels + 2, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, stride in enumerate((2, 2, 1)):
            before, after = width * 2**i, width * 2 ** (i + 1)
            layers += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(after, affine=True),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, padding=1))

    def forward(self, condition: Tensor, flow: Tensor) -> Tensor:
        """condition [B, 2 or 5, H, W] and flow [B, 2, H, W], both normalised → logits [B, 1, h, w]."""
        return self.layers(torch.cat([condition, flow], dim=1))
