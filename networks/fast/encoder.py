"""The autoencoder's encoder on a CPU, a picture at a time: what one becomes does not depend on those beside it."""

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import Encoder
from torch import Tensor, nn

from .attend import attend
from .group_norm import group_norm
from .layers import Block, convolve, image, tokens


def residual(x: Tensor, block: Block) -> Tensor:
    """A residual block of x [N, H, W, C]."""
    h, _ = convolve(group_norm(x, block.norm1, silu=True), block.conv1)
    h, _ = convolve(group_norm(h, block.norm2, silu=True), block.conv2)
    return h.add_(x if block.conv_shortcut is None else convolve(x, block.conv_shortcut)[0])


def attention(x: Tensor, layer: Block) -> Tensor:
    def project(tokens: Tensor, linear: nn.Linear) -> Tensor:
        return F.linear(tokens, linear.weight.to(x.dtype), linear.bias.to(x.dtype))

    n = group_norm(x, layer.group_norm).flatten(1, 2)
    query, key, value = (
        project(n, linear).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for linear in (layer.to_q, layer.to_k, layer.to_v)
    )
    out = attend(query, key, value).transpose(1, 2).flatten(2)
    return project(out, layer.to_out[0]).view_as(x) + x


class FastEncoder(nn.Module):
    """On a CPU it computes in its input's format, whatever that of its weights."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.conv_in, self.down_blocks, self.mid_block = encoder.conv_in, encoder.down_blocks, encoder.mid_block
        self.conv_norm_out, self.conv_out = encoder.conv_norm_out, encoder.conv_out

    @staticmethod
    def fits(encoder: Encoder) -> bool:
        return True

    def forward(self, sample: Tensor) -> Tensor:
        """[N, 3, H, W] → moments [N, 2c, h, w], in the weights' format."""
        return torch.cat([self.encode(picture) for picture in sample.split(1)]).to(self.conv_out.weight.dtype)

    def encode(self, sample: Tensor) -> Tensor:
        x, _ = convolve(tokens(sample), self.conv_in)
        stage: Block
        for stage in self.down_blocks:
            for block in stage.resnets:
                x = residual(x, block)
            for layer in stage.downsamplers or ():
                x, _ = convolve(F.pad(x, (0, 0, 0, 1, 0, 1)), layer.conv)
        middle: Block = self.mid_block
        x = residual(x, middle.resnets[0])
        for layer, block in zip(middle.attentions, middle.resnets[1:], strict=True):
            x = residual(attention(x, layer), block)
        x, _ = convolve(group_norm(x, self.conv_norm_out, silu=True), self.conv_out)
        return image(x)
