"""Motion attention: eq. 4 as a second value path of the temporal self-attention."""

from dataclasses import dataclass

import torch.nn.functional as F
from diffusers.models.attention import Attention
from torch import Tensor, nn


@dataclass
class MotionContext:
    """What the attention layers and the strength columns read during one forward pass of the UNet."""

    maps: tuple[Tensor, ...] | None = None  # one [B, L, C_i, h_i, w_i] for each UNet resolution
    scale: float = 1.0
    strength: Tensor | None = None  # [B, 256] sinusoidal embedding


class MotionAttention:
    """diffusers attention processor: to_out(Attn(Q, K, V)) + g · W_o · Attn(Q, K, W_V z_m)  (eq. 4).

    Q, K and W_V are the layer's own. With W_o = 0 or g = 0 the layer's own output comes back unchanged, bit for bit.
    """

    def __init__(self, output: nn.Module, level: int, context: MotionContext):
        self.output = output
        self.level = level
        self.context = context

    def __call__(self, attention: Attention, hidden_states: Tensor, **_: object) -> Tensor:
        """hidden_states: tokens [B·h·w, L, C]."""

        def heads(x: Tensor) -> Tensor:
            return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

        def attend(value: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(query, key, heads(value)).transpose(1, 2).flatten(2)

        query, key = heads(attention.to_q(hidden_states)), heads(attention.to_k(hidden_states))
        out = attention.to_out[1](attention.to_out[0](attend(attention.to_v(hidden_states))))
        motion = self.motion()
        if motion is None:
            return out
        tokens = motion.permute(0, 3, 4, 1, 2).flatten(0, 2)  # [B·h·w, L, C]
        return out + self.weigh(attend(attention.to_v(tokens)))  # eq. 4

    def motion(self) -> Tensor | None:
        """The motion maps [B, L, C, h, w] of this pass; None where there is none to attend to."""
        context = self.context
        return None if context.maps is None or context.scale == 0 else context.maps[self.level]

    def weigh(self, attended: Tensor) -> Tensor:
        """g · W_o · Attn(Q, K, W_V z_m)."""
        return self.context.scale * self.output(attended)
