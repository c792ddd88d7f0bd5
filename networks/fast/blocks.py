"""SVD's residual blocks, upsampling and decoder, and the motion encoder's blocks, on channels-last data."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import TemporalDecoder
from diffusers.models.resnet import SpatioTemporalResBlock
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from ..motion_encoder import ResidualBlock
from . import backend, in_pieces
from .add_bias import add_bias
from .convolve_frames import add_convolved_frames, convolve_frames
from .group_norm import group_norm, instance_norm_leaky_relu
from .layers import Block, convolve, image, temporal_weight, tokens, with_neighbors
from .mix import mix


def before_last(x: Tensor, block: Block, temb: Tensor | None, convolution: Callable) -> Tensor:
    """What the last convolution of a residual block's branch takes.

    x [N, …, C], temb [M, T]: N / M samples share a row.
    """
    h, shift = convolution(group_norm(x, block.norm1, silu=True), block.conv1)
    if temb is not None and block.time_emb_proj is not None:
        time = block.time_emb_proj(F.silu(temb))
        shift = time if shift is None else time + shift
    elif shift is not None:
        shift = shift[None]
    return group_norm(h, block.norm2, shift=shift, silu=True)


class FastResBlock(nn.Module):
    """A SpatioTemporalResBlock."""

    def __init__(self, block: SpatioTemporalResBlock):
        super().__init__()
        self.spatial_res_block = block.spatial_res_block
        self.temporal_res_block = block.temporal_res_block
        self.time_mixer = block.time_mixer

    @staticmethod
    def fits(block: SpatioTemporalResBlock) -> bool:
        return block.time_mixer.merge_strategy != "fixed" and block.spatial_res_block.output_scale_factor == 1

    def forward(self, hidden_states: Tensor, temb: Tensor | None = None, *, image_only_indicator: Tensor) -> Tensor:
        batch, frames = image_only_indicator.shape
        spatial, temporal = self.spatial_res_block, self.temporal_res_block
        temb = None if temb is None else temb[::frames]  # the frames of a clip have one
        x = tokens(hidden_states)
        if backend.on_cpu(x):
            return image(self.clip_by_clip(x, frames, temb))
        h, bias = convolve(before_last(x, spatial, temb, convolve), spatial.conv2)
        if spatial.conv_shortcut is not None:
            x, other = convolve(x, spatial.conv_shortcut)
            bias = other if bias is None or other is None else bias + other
        x = mix(x, h, bias=bias)
        clips = x.view(batch, frames, -1, x.shape[-1])
        h = before_last(clips, temporal, temb, convolve_frames)
        # alpha x + (1 − alpha)(x + h) = x + (1 − alpha) h
        mixed = add_convolved_frames(clips, h, temporal.conv2, **temporal_weight(self.time_mixer))
        return image(mixed.view_as(x))

    def clip_by_clip(self, x: Tensor, frames: int, temb: Tensor | None) -> Tensor:
        """On a CPU. x [N, H, W, C], temb [N / frames, T]."""
        mixer = temporal_weight(self.time_mixer)
        weight = torch.sigmoid(mixer["sign"] * mixer["factor"].float()).to(x.dtype)
        out = []
        for i, clip in enumerate(x.split(frames)):
            of_space, of_time = (
                None if temb is None or block.time_emb_proj is None else block.time_emb_proj(F.silu(temb[i]))
                for block in (self.spatial_res_block, self.temporal_res_block)
            )
            clip = in_pieces.spatial_branch(clip, self.spatial_res_block, of_space)
            in_pieces.add_temporal_branch(clip, self.temporal_res_block, of_time, weight)
            out.append(clip)
        return out[0] if len(out) == 1 else torch.cat(out)


class FastUpsample(Upsample2D):
    """Doubles the size and convolves in one transposed convolution; other sizes as diffusers' own."""

    conv: Block

    def __init__(self, module: Upsample2D):
        super().__init__(module.channels, out_channels=module.out_channels)
        self.use_conv, self.conv = True, module.conv

    @staticmethod
    def fits(module: Upsample2D) -> bool:
        conv: Block = module.conv
        plain = module.use_conv and module.interpolate and module.norm is None and not module.use_conv_transpose
        return plain and module.name == "conv" and conv.kernel_size == (3, 3)

    def forward(self, hidden_states: Tensor, output_size: Any = None) -> Tensor:
        """output_size: (height, width), which diffusers' own annotation calls an int."""
        if output_size is not None and tuple(output_size) != tuple(2 * side for side in hidden_states.shape[-2:]):
            return super().forward(hidden_states, output_size)
        # Pixel 2 i + p of the upsampled image is pixel i: taps of the 3 × 3 kernel that fall on one pixel add up.
        kernel = with_neighbors(self.conv.weight.float().flip(2, 3)).transpose(0, 1).to(hidden_states.dtype)
        on_gpu = hidden_states.is_cuda  # where torch would add the bias in a pass three times as long
        out = F.conv_transpose2d(hidden_states, kernel, None if on_gpu else self.conv.bias, stride=2, padding=1)
        return image(add_bias(tokens(out), self.conv.bias)) if on_gpu else out


class FastUpBlock(nn.Module):
    """An UpBlockSpatioTemporal or CrossAttnUpBlockSpatioTemporal."""

    resnets: Block
    attentions: Block
    upsamplers: Block

    def __init__(self, block: Block):
        super().__init__()
        self.has_cross_attention = hasattr(block, "attentions")
        self.attentions = self.upsamplers = None
        for name, layers in block.named_children():  # in the block's order, as its parameters are saved
            setattr(self, name, layers)

    @staticmethod
    def fits(block: Block) -> bool:
        return True

    def forward(
        self, hidden_states: Tensor, res_hidden_states_tuple: Sequence[Tensor], temb: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None, image_only_indicator: Tensor | None = None,
        upsample_size: Any = None,
    ) -> Tensor:  # fmt: skip
        for i, (resnet, skipped) in enumerate(zip(self.resnets, reversed(res_hidden_states_tuple), strict=True)):
            hidden_states = resnet(joined(hidden_states, skipped), temb, image_only_indicator=image_only_indicator)
            if self.attentions is not None:
                (hidden_states,) = self.attentions[i](
                    hidden_states,
                    encoder_hidden_states=encoder_hidden_states,
                    image_only_indicator=image_only_indicator,
                    return_dict=False,
                )
        for upsampler in self.upsamplers or ():
            hidden_states = upsampler(hidden_states, upsample_size)
        return hidden_states


def joined(*images: Tensor) -> Tensor:
    """Images [N, C_i, H, W] → [N, ΣC_i, H, W]: as rows of channels torch joins them twice as fast."""
    rows = torch.cat([tokens(each).flatten(0, 2) for each in images], dim=1)
    count, _, *size = images[0].shape
    return image(rows.view(count, *size, -1))


class NormWithSiLU(nn.GroupNorm):
    """A group norm, and the activation that comes after it."""

    def __init__(self, norm: nn.GroupNorm):
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: Tensor) -> Tensor:
        return image(group_norm(tokens(input), self, silu=True))


class FastDecoder(nn.Module):
    """Ends in one pass for norm and activation, and mixes the three colours of neighbouring frames in 2-d."""

    def __init__(self, decoder: TemporalDecoder):
        super().__init__()
        self.conv_in = decoder.conv_in
        self.mid_block = decoder.mid_block
        self.up_blocks = decoder.up_blocks
        self.conv_norm_out = decoder.conv_norm_out
        self.conv_out = decoder.conv_out
        self.time_conv_out = decoder.time_conv_out

    @staticmethod
    def fits(decoder: TemporalDecoder) -> bool:
        return True

    def forward(self, sample: Tensor, image_only_indicator: Tensor, num_frames: int = 1) -> Tensor:
        sample = self.mid_block(self.conv_in(sample), image_only_indicator=image_only_indicator)
        for block in self.up_blocks:
            sample = block(sample, image_only_indicator=image_only_indicator)
        x = tokens(sample)
        parts = x.split(in_pieces.at_once(x)) if backend.on_cpu(x) else [x]
        colors = [self.conv_out(image(group_norm(part, self.conv_norm_out, silu=True))) for part in parts]
        colors = colors[0] if len(colors) == 1 else torch.cat(colors)
        colors = colors.unflatten(0, (-1, num_frames)).transpose(1, 2).flatten(3)  # [B, 3, L, H W]
        weight = self.time_conv_out.weight.to(colors.dtype).squeeze(-1)
        colors = F.conv2d(colors.contiguous(), weight, self.time_conv_out.bias, padding=(1, 0))
        return colors.transpose(1, 2).flatten(0, 1).unflatten(2, sample.shape[-2:])


class FastResidualBlock(nn.Module):
    """The motion encoder's. Convolution and pooling are one convolution of stride 2; norms take biases away."""

    def __init__(self, block: ResidualBlock):
        super().__init__()
        self.body, self.shortcut = block.body, block.shortcut

    @staticmethod
    def fits(block: ResidualBlock) -> bool:
        return True

    def forward(self, x: Tensor) -> Tensor:
        body: Block = self.body
        norm1, act1, conv1, norm2, act2, conv2, _ = body
        h = instance_norm_leaky_relu(tokens(x), norm1, act1.negative_slope)
        h = tokens(F.conv2d(image(h), conv1.weight, padding=1))
        h = instance_norm_leaky_relu(h, norm2, act2.negative_slope)
        kernel = 0.25 * with_neighbors(conv2.weight)
        short: Block = self.shortcut[1]
        straight = F.conv2d(x, 0.25 * short.weight.expand(-1, -1, 2, 2), short.bias, stride=2)
        return F.conv2d(image(h), kernel, conv2.bias, stride=2, padding=1) + straight
