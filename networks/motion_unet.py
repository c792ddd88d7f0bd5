"""SVD's UNet joined with motion attention (eq. 4) and motion strength (eq. 8)."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import UNetSpatioTemporalConditionModel
from torch import Tensor, nn

from .motion_attention import MotionAttention, MotionContext
from .motion_encoder import MotionEncoder

REFERENCES = ("repeated", "warped")
TEMPORAL_SELF_ATTENTION = re.compile(r"temporal_transformer_blocks\.\d+\.attn1$")


@dataclass(frozen=True)
class AdapterConfig:
    """What rebuilds a motion adapter: stored as JSON in the metadata of its file.

    reference: which latents the UNet was trained to see beside the noisy ones: the image's own, repeated for every
    frame (SVD), or the image warped by the accumulated flow.
    """

    widths: tuple[int, ...]  # channels of the UNet's resolutions
    layers: tuple[str, ...]  # the temporal self-attention layers, by their names in the UNet
    strength_channels: int  # sinusoidal channels of one added time id
    base_channels: int = 64
    flow_scale_px: float = 8.0  # px/frame at a 512-px reference that the encoder sees as 1
    reference: str = "repeated"

    @classmethod
    def for_unet(cls, unet: UNetSpatioTemporalConditionModel, **choices: Any) -> "AdapterConfig":
        config: Any = unet.config
        return cls(
            widths=tuple(config.block_out_channels),
            layers=tuple(name for name, _ in unet.named_modules() if TEMPORAL_SELF_ATTENTION.search(name)),
            strength_channels=config.addition_time_embed_dim,
            **choices,
        )

    @classmethod
    def from_dict(cls, values: dict) -> "AdapterConfig":
        """Raises ValueError on unknown or missing fields and on a reference that is not one of REFERENCES."""
        try:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            config = cls(**fields)
        except TypeError as error:
            raise ValueError(f"adapter config: {error}; allowed fields: {sorted(cls.__dataclass_fields__)}") from error
        if config.reference not in REFERENCES:
            raise ValueError(f"adapter config: reference = {config.reference!r}, allowed {REFERENCES}")
        return config

    def to_dict(self) -> dict:
        return asdict(self)

    def level(self, layer: str) -> int:
        """Index into widths of the resolution at which a layer works."""
        last = len(self.widths) - 1
        if layer.startswith("mid_block"):
            return last
        match = re.match(r"(down|up)_blocks\.(\d+)\.", layer)
        if match is None or int(match[2]) > last:
            raise ValueError(f"adapter config: layer {layer!r}, allowed mid_block or down_blocks/up_blocks.0..{last}")
        return int(match[2]) if match[1] == "down" else last - int(match[2])


class MotionAdapter(nn.Module):
    """Everything that the method adds to SVD: motion encoder, W_o of every layer, and the strength columns.

    W_o and the strength columns start at zero, so that an untrained adapter changes nothing.
    """

    def __init__(self, config: AdapterConfig):
        super().__init__()
        self.config = config
        self.encoder = MotionEncoder(
            config.widths, base_channels=config.base_channels, flow_scale_px=config.flow_scale_px
        )
        widths = [config.widths[config.level(layer)] for layer in config.layers]
        self.outputs = nn.ModuleList(nn.Linear(width, width, bias=False) for width in widths)
        self.strength = nn.Linear(config.strength_channels, 4 * config.widths[0], bias=False)
        linear: Any
        for linear in (*self.outputs, self.strength):
            nn.init.zeros_(linear.weight)


class MotionUNet(nn.Module):
    """SVD's UNet with an optional adapter attached; without one it computes what the UNet alone computes."""

    def __init__(self, unet: UNetSpatioTemporalConditionModel, adapter: MotionAdapter | None = None):
        """Raises ValueError where the adapter was made for a UNet of another layout."""
        super().__init__()
        self.unet = unet
        self.adapter = adapter
        self.context = MotionContext()
        if adapter is None:
            return
        config = adapter.config
        fits = AdapterConfig.for_unet(unet)
        for field in ("widths", "layers", "strength_channels"):
            got, allowed = getattr(config, field), getattr(fits, field)
            if got != allowed:
                raise ValueError(f"motion adapter: {field} = {got}, but this UNet has {allowed}")
        for layer, output in zip(config.layers, adapter.outputs, strict=True):
            attention: Any = unet.get_submodule(layer)
            attention.set_processor(MotionAttention(output, config.level(layer), self.context))
        unet.add_embedding.linear_1.register_forward_hook(self._add_strength)

    def _add_strength(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        # The widened layer of eq. 8: W·[time ids; strength] = W_ids·ids + W_strength·strength.
        if self.adapter is None or self.context.strength is None:
            return output
        return output + self.adapter.strength(self.context.strength.to(output.dtype))

    def encode_motion(self, flow: Tensor) -> tuple[Tensor, ...]:
        """flow [N, 2, H, W] px/frame, H and W divisible by 64 → maps [1, N, C_i, h_i, w_i] for forward's `motion`."""
        if self.adapter is None:
            raise ValueError("motion: got a flow, but this UNet has no motion adapter")
        return tuple(m[None] for m in self.adapter.encoder(flow))

    def forward(
        self,
        sample: Tensor,  # [B, L, 2c, h, w]: the scaled noisy latents, then the reference's
        timestep: Tensor,  # [B] or scalar: ¼ ln σ
        image_embedding: Tensor,  # [B, 1, D]
        added_time_ids: Tensor,  # [B, 3]: fps − 1, motion_bucket_id, noise_aug
        *,
        motion: tuple[Tensor, ...] | None = None,  # [B or 1, 1, L − 1 or L frames, C_i, h_i, w_i]
        motion_scale: float = 1.0,
        strength_percent: Tensor | None = None,  # [B]: 100 · M_s
    ) -> Tensor:
        """The network's v prediction [B, L, c, h, w]. L frames use L flows: the last one is repeated."""
        context = self.context
        try:
            if motion is not None:
                context.maps = tuple(fit_frames(m, *sample.shape[:2]) for m in motion)
                context.scale = motion_scale
            if strength_percent is not None:
                context.strength = self.unet.add_time_proj(strength_percent)
            return self.unet(sample, timestep, image_embedding, added_time_ids).sample
        finally:
            context.maps = context.strength = None


def fit_frames(motion: Tensor, batch: int, frames: int) -> Tensor:
    """Motion maps [B or 1, N, C, h, w] → [batch, frames, C, h, w]; N = 1 holds for every frame."""
    count = motion.shape[1]
    if count == frames - 1 and count > 1:
        motion = torch.cat([motion, motion[:, -1:]], dim=1)
    elif count not in (1, frames):
        raise ValueError(f"motion: {count} flows for {frames} frames, allowed 1, {frames - 1} or {frames}")
    return motion.expand(batch, frames, *motion.shape[2:])
