"""SVD's blocks rewritten for speed: the same parameters, the same results and gradients up to rounding.

What is different: data stays channels-last, where a temporal convolution is a 2-d one over [frames, pixels] and a
transformer's tokens are a view; cross-attention to the one image token is computed once for all queries; biases, time
embeddings, residuals, activations and mixes join the pass over the data that comes next; a nearest upsampling and its
convolution are one transposed convolution.
"""

import torch
import torch.nn.functional as F
from diffusers.models.attention import Attention, FeedForward
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import TemporalDecoder
from diffusers.models.resnet import AlphaBlender, SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from .fused import (
    add_layer_norm,
    attend_over_frames,
    fused,
    gated_gelu,
    group_norm,
    instance_norm_leaky_relu,
    leaves_bias,
    mix,
)
from .motion_attention import MotionAttention
from .motion_encoder import ResidualBlock
from .single_token import SingleTokenAttention, attend_to_token

PROCESSORS = (AttnProcessor, AttnProcessor2_0, SingleTokenAttention, MotionAttention)


def accelerate(network: nn.Module) -> nn.Module:
    """Rewrites a UNetSpatioTemporalConditionModel, a MotionUNet or a TemporalDecoder in place, and returns it.

    Parameters keep their names and values; on a GPU convolution weights change their memory format. A second call does
    nothing. image_only_indicator counts as zero and the token of frame 0 as every frame's, as both networks have it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.weight.is_cuda:
            form = torch.channels_last if module.weight.ndim == 4 else torch.channels_last_3d
            module.weight.data = module.weight.data.contiguous(memory_format=form)
        fast = FAST.get(type(module))
        if fast is not None and fast.fits(module):
            module.__class__ = fast
    return network


def tokens(image: Tensor) -> Tensor:
    """[N, C, H, W] → [N, H, W, C], a view where the image lies channels-last."""
    return image.permute(0, 2, 3, 1).contiguous()


def image(tokens: Tensor) -> Tensor:
    return tokens.permute(0, 3, 1, 2)


def convolve(x: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """[N, H, W, C] → [N, H', W', C'], and the bias where it is left to the kernel that comes next."""
    left = fused(x) is not None
    out = F.conv2d(image(x), conv.weight.to(x.dtype), None if left else conv.bias, conv.stride, conv.padding)
    return tokens(out), conv.bias if left else None


def convolve_frames(x: Tensor, conv: nn.Conv3d) -> tuple[Tensor, Tensor | None]:
    """[B, frames, pixels, C] → the same of C' channels, and the bias as above; the kernel is (3, 1, 1)."""
    left = fused(x) is not None
    weight = conv.weight.to(x.dtype).squeeze(-1)
    return tokens(F.conv2d(image(x), weight, None if left else conv.bias, 1, (conv.padding[0], 0))), (
        conv.bias if left else None
    )


def transform(x: Tensor, block: nn.Module, temb: Tensor | None, convolution) -> tuple[Tensor, Tensor | None]:
    """A residual block's branch, and its last bias as above. x [N, …, C], temb [M, T]: N / M samples share a row."""
    h, shift = convolution(group_norm(x, block.norm1, silu=True), block.conv1)
    if block.time_emb_proj is not None:
        time = block.time_emb_proj(F.silu(temb))
        shift = time if shift is None else time + shift
    elif shift is not None:
        shift = shift[None]
    return convolution(group_norm(h, block.norm2, shift=shift, silu=True), block.conv2)


def temporal_share(mixer: AlphaBlender) -> dict:
    """Options of `mix` for the share of the temporal branch, 1 − alpha."""
    return {"factor": mixer.mix_factor, "sign": 1 if mixer.switch_spatial_to_temporal_mix else -1}


class FastResBlock(SpatioTemporalResBlock):
    @staticmethod
    def fits(block: SpatioTemporalResBlock) -> bool:
        return block.time_mixer.merge_strategy != "fixed" and block.spatial_res_block.output_scale_factor == 1

    def forward(self, hidden_states, temb=None, image_only_indicator=None):
        batch, frames = image_only_indicator.shape
        spatial, temporal = self.spatial_res_block, self.temporal_res_block
        temb = None if temb is None else temb[::frames]  # the frames of a clip have one
        x = tokens(hidden_states)
        h, bias = transform(x, spatial, temb, convolve)
        if spatial.conv_shortcut is not None:
            x, other = convolve(x, spatial.conv_shortcut)
            bias = None if bias is None else bias + other
        x = mix(x, h, bias=bias)
        clips = x.view(batch, frames, -1, x.shape[-1])
        h, bias = transform(clips, temporal, temb, convolve_frames)
        # alpha x + (1 − alpha)(x + h) = x + (1 − alpha) h
        return image(mix(x, h.view_as(x), bias=bias, **temporal_share(self.time_mixer)))


def linear(x: Tensor, layer: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """[N, …, C] → [N, …, C'], and the bias where it is left to the kernel that comes next."""
    if leaves_bias(x):
        return F.linear(x, layer.weight), layer.bias
    return layer(x), None


def plus(rows: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """Rows [M, C] with a bias [C] that was left."""
    if bias is None:
        return rows
    return bias[None] if rows is None else rows + bias


def feed_forward(ff: FeedForward, x: Tensor) -> tuple[Tensor, Tensor | None]:
    return linear(gated_gelu(*linear(x, ff.net[0].proj)), ff.net[2])


def self_attention(attention: Attention, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """x [N, pixels, C] → the same."""

    def heads(tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

    query, key, value = (heads(project(x)) for project in (attention.to_q, attention.to_k, attention.to_v))
    return linear(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2), attention.to_out[0])


def frame_attention(attention: Attention, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """x [B, frames, pixels, C] → the same; with what MotionAttention adds."""
    query, key = attention.to_q(x), attention.to_k(x)

    def attend(value: Tensor) -> Tensor:
        return attend_over_frames(query, key, attention.to_v(value), attention.heads)

    out, bias = linear(attend(x), attention.to_out[0])
    processor = attention.processor
    if isinstance(processor, MotionAttention) and (motion := processor.motion()) is not None:
        out = out + processor.weigh(attend(motion.permute(0, 1, 3, 4, 2).flatten(2, 3)))
    return out, bias


class FastTransformer(TransformerSpatioTemporalModel):
    @staticmethod
    def fits(model: TransformerSpatioTemporalModel) -> bool:
        layers = [module for module in model.modules() if isinstance(module, Attention)]
        return all(isinstance(layer.processor, PROCESSORS) for layer in layers)

    def forward(self, hidden_states, encoder_hidden_states=None, image_only_indicator=None, return_dict=True):
        batch, frames = image_only_indicator.shape
        token = encoder_hidden_states[::frames]  # the frames of a clip have one
        if token.shape[1] != 1:
            raise ValueError(f"image embedding: got {token.shape[1]} tokens, allowed 1")
        x = tokens(hidden_states)
        clips = (batch, frames, -1, x.shape[-1])
        h, left = linear(group_norm(x, self.norm).flatten(1, 2), self.proj_in)
        number = self.time_proj(torch.arange(frames, device=x.device)).to(x.dtype)
        position = self.time_pos_embed(number).repeat(batch, 1)

        for block, temporal in zip(self.transformer_blocks, self.temporal_transformer_blocks, strict=True):
            h, n = add_layer_norm(h, block.norm1, before=plus(None, left))
            out, left = self_attention(block.attn1, n)
            seen = attend_to_token(block.attn2, token)[:, 0]
            h, n = add_layer_norm(h, block.norm3, add=out, before=plus(seen, left))
            out, left = feed_forward(block.ff, n)
            h, n = add_layer_norm(h, temporal.norm_in, add=out, before=plus(None, left), after=position)

            out, left = feed_forward(temporal.ff_in, n)
            t, n = add_layer_norm(h, temporal.norm1, add=out, before=plus(position, left))
            out, left = frame_attention(temporal.attn1, n.view(clips))
            seen = attend_to_token(temporal.attn2, token)[:, 0]
            t, n = add_layer_norm(t, temporal.norm3, add=out.view_as(t), before=plus(seen, left))
            out, left = feed_forward(temporal.ff, n)
            h = mix(h, t, out, bias=left, blend=True, **temporal_share(self.time_mixer))
            left = None
        out, left = linear(h, self.proj_out)
        out = image(mix(x, out.view_as(x), bias=left))
        return (out,) if not return_dict else {"sample": out}


class FastUpsample(Upsample2D):
    @staticmethod
    def fits(module: Upsample2D) -> bool:
        plain = module.use_conv and module.interpolate and module.norm is None and not module.use_conv_transpose
        return plain and module.name == "conv" and module.conv.kernel_size == (3, 3)

    def forward(self, hidden_states, output_size=None):
        if output_size is not None and tuple(output_size) != tuple(2 * side for side in hidden_states.shape[-2:]):
            return super().forward(hidden_states, output_size)
        # Pixel 2 i + p of the upsampled image is pixel i: taps of the 3 × 3 kernel that fall on one pixel add up.
        kernel = F.pad(self.conv.weight.float().flip(2, 3), (1, 1, 1, 1))
        kernel = kernel[:, :, 1:] + kernel[:, :, :-1]
        kernel = (kernel[..., 1:] + kernel[..., :-1]).transpose(0, 1).to(hidden_states.dtype)
        return F.conv_transpose2d(hidden_states, kernel, self.conv.bias, stride=2, padding=1)


class FastDecoder(TemporalDecoder):
    """Ends in one pass for norm and activation, and mixes the three colours of neighbouring frames in 2-d."""

    @staticmethod
    def fits(decoder: TemporalDecoder) -> bool:
        return True

    def forward(self, sample, image_only_indicator, num_frames=1):
        sample = self.mid_block(self.conv_in(sample), image_only_indicator=image_only_indicator)
        for block in self.up_blocks:
            sample = block(sample, image_only_indicator=image_only_indicator)
        h = group_norm(tokens(sample), self.conv_norm_out, silu=True)
        colors = self.conv_out(image(h)).unflatten(0, (-1, num_frames)).transpose(1, 2).flatten(3)  # [B, 3, L, H W]
        weight = self.time_conv_out.weight.to(colors.dtype).squeeze(-1)
        colors = F.conv2d(colors.contiguous(), weight, self.time_conv_out.bias, padding=(1, 0))
        return colors.transpose(1, 2).flatten(0, 1).unflatten(2, sample.shape[-2:])


class FastResidualBlock(ResidualBlock):
    """The motion encoder's. Convolution and pooling are one convolution of stride 2; norms take biases away."""

    @staticmethod
    def fits(block: ResidualBlock) -> bool:
        return True

    def forward(self, x):
        norm1, act1, conv1, norm2, act2, conv2, _ = self.body
        h = instance_norm_leaky_relu(tokens(x), norm1, act1.negative_slope)
        h = tokens(F.conv2d(image(h), conv1.weight, padding=1))
        h = instance_norm_leaky_relu(h, norm2, act2.negative_slope)
        kernel = F.pad(conv2.weight, (1, 1, 1, 1))
        kernel = kernel[:, :, 1:] + kernel[:, :, :-1]
        kernel = 0.25 * (kernel[..., 1:] + kernel[..., :-1])
        short = self.shortcut[1]
        straight = F.conv2d(x, 0.25 * short.weight.expand(-1, -1, 2, 2), short.bias, stride=2)
        return F.conv2d(image(h), kernel, conv2.bias, stride=2, padding=1) + straight


FAST = {
    ResidualBlock: FastResidualBlock,
    SpatioTemporalResBlock: FastResBlock,
    TransformerSpatioTemporalModel: FastTransformer,
    Upsample2D: FastUpsample,
    TemporalDecoder: FastDecoder,
}
