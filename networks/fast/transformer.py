"""SVD's spatio-temporal transformer on channels-last tokens."""

import torch
from diffusers.models.attention import Attention
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn

from ..motion_attention import MotionAttention
from .add_layer_norm import add_layer_norm
from .attend import attend
from .attend_over_frames import attend_over_frames
from .gated_linear import gated_linear
from .group_norm import group_norm
from .layers import Block, image, linear, project, temporal_weight, tokens
from .mix import mix
from .single_token import SingleTokenAttention, attend_to_token

PROCESSORS = (AttnProcessor, AttnProcessor2_0, SingleTokenAttention, MotionAttention)


def plus(rows: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """Rows [M, C] with a bias [C] that was left."""
    if bias is None:
        return rows
    return bias[None] if rows is None else rows + bias


def feed_forward(ff: Block, x: Tensor) -> tuple[Tensor, Tensor | None]:
    return linear(gated_linear(x, ff.net[0].proj), ff.net[2])


def self_attention(attention: Block, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """x [N, pixels, C] → the same."""

    def heads(tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

    query, key, value = (heads(project(x, layer)) for layer in (attention.to_q, attention.to_k, attention.to_v))
    return linear(attend(query, key, value).transpose(1, 2).flatten(2), attention.to_out[0])


def frame_attention(attention: Block, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """x [B, frames, pixels, C] → the same; with what MotionAttention adds."""
    processor, given = attention.processor, [x]
    if isinstance(processor, MotionAttention) and (motion := processor.motion()) is not None:
        given.append(motion.permute(0, 1, 3, 4, 2).flatten(2, 3))
    query, key = project(x, attention.to_q), project(x, attention.to_k)
    values = [project(each, attention.to_v) for each in given]
    own, *guided = attend_over_frames(query, key, values, attention.heads)
    out, bias = linear(own, attention.to_out[0])
    for each in guided:
        out = out + processor.weigh(each)  # eq. 4
    return out, bias


class FastTransformer(nn.Module):
    """A TransformerSpatioTemporalModel whose token is the image's embedding."""

    def __init__(self, model: TransformerSpatioTemporalModel):
        super().__init__()
        self.norm, self.proj_in = model.norm, model.proj_in
        self.transformer_blocks = model.transformer_blocks
        self.temporal_transformer_blocks = model.temporal_transformer_blocks
        self.time_pos_embed, self.time_proj = model.time_pos_embed, model.time_proj
        self.time_mixer = model.time_mixer
        self.proj_out = model.proj_out

    @staticmethod
    def fits(model: TransformerSpatioTemporalModel) -> bool:
        layers = [module for module in model.modules() if isinstance(module, Attention)]
        return all(isinstance(layer.processor, PROCESSORS) for layer in layers)

    def forward(
        self, hidden_states: Tensor, encoder_hidden_states: Tensor, image_only_indicator: Tensor,
        return_dict: bool = True,
    ) -> tuple[Tensor] | dict[str, Tensor]:  # fmt: skip
        batch, frames = image_only_indicator.shape
        token = encoder_hidden_states[::frames]  # the frames of a clip have one
        if token.shape[1] != 1:
            raise ValueError(f"image embedding: got {token.shape[1]} tokens, allowed 1")
        x = tokens(hidden_states)
        clips = (batch, frames, -1, x.shape[-1])
        h, left = linear(group_norm(x, self.norm).flatten(1, 2), self.proj_in)
        number = self.time_proj(torch.arange(frames, device=x.device)).to(x.dtype)
        position = self.time_pos_embed(number).repeat(batch, 1)

        block: Block
        temporal: Block
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
            h = mix(h, t, out, bias=left, blend=True, **temporal_weight(self.time_mixer))
            left = None
        out, left = linear(h, self.proj_out)
        out = image(mix(x, out.view_as(x), bias=left))
        return (out,) if not return_dict else {"sample": out}
