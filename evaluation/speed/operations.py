"""What is measured of every operation in networks/fast, for `speed --parts`: one table."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...networks.fast.add_bias import add_bias
from ...networks.fast.add_layer_norm import add_layer_norm
from ...networks.fast.attend_over_frames import attend_over_frames
from ...networks.fast.convolve_frames import add_convolved_frames, convolve_frames
from ...networks.fast.gated_gelu import gated_gelu
from ...networks.fast.gated_linear import gated_linear
from ...networks.fast.group_norm import group_norm, instance_norm_leaky_relu
from ...networks.fast.mix import mix


@dataclass(frozen=True)
class Operands:
    """Data of one width C, and layers for it."""

    x: Tensor  # [images, h, w, C]
    clips: Tensor  # the same, [2, images / 2, h · w, C]
    tokens: Tensor  # the same, [images, h · w, C]
    wide: Tensor  # [images, h · w, 8 C]
    widens: nn.Linear  # tokens to that
    over_frames: nn.Conv3d  # clips to the same width
    group: nn.GroupNorm
    instance: nn.InstanceNorm2d
    layer: nn.LayerNorm
    factor: Tensor  # [1]
    heads: int

    @classmethod
    def of(cls, x: Tensor, *, groups: int, heads: int) -> "Operands":
        images, height, width, channels = x.shape
        pixels = height * width
        return cls(
            x=x,
            clips=x.view(2, images // 2, pixels, channels),
            tokens=x.view(images, pixels, channels),
            wide=torch.randn(images, pixels, 8 * channels, device=x.device, dtype=x.dtype),
            widens=nn.Linear(channels, 8 * channels).to(x),
            over_frames=nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0)).to(
                x, memory_format=torch.channels_last_3d
            ),
            group=nn.GroupNorm(groups, channels).to(x),
            instance=nn.InstanceNorm2d(channels, affine=True).to(x),
            layer=nn.LayerNorm(channels).to(x),
            factor=torch.zeros(1).to(x),
            heads=heads,
        )


@dataclass(frozen=True)
class Line:
    operation: str  # its file in networks/fast
    name: str
    run: Callable[[Operands], object]
    sizes: int  # of x, read and written


LINES = (
    Line("add_bias", "bias in place", lambda o: add_bias(o.tokens, o.layer.bias), 2),
    Line("convolve_frames", "convolution over frames", lambda o: convolve_frames(o.clips, o.over_frames), 2),
    Line(
        "convolve_frames",
        "convolution over frames, added",
        lambda o: add_convolved_frames(o.clips, o.clips, o.over_frames, factor=o.factor, sign=1),
        3,
    ),
    Line("gated_gelu", "gated GELU", lambda o: gated_gelu(o.wide), 12),
    Line("gated_linear", "linear layer with gated GELU", lambda o: gated_linear(o.tokens, o.widens), 5),
    Line("group_norm", "group norm", lambda o: group_norm(o.x, o.group, silu=True), 3),
    Line("group_norm", "group norm of clips", lambda o: group_norm(o.clips, o.group, silu=True), 3),
    Line("group_norm", "instance norm", lambda o: instance_norm_leaky_relu(o.x, o.instance, 0.2), 3),
    Line("add_layer_norm", "layer norm", lambda o: add_layer_norm(o.tokens, o.layer, add=o.tokens), 4),
    Line("mix", "mix", lambda o: mix(o.x, o.x), 3),
    Line(
        "attend_over_frames",
        "attention over frames",
        lambda o: attend_over_frames(o.clips, o.clips, [o.clips], o.heads)[0],
        4,
    ),
)
