"""An animation made longer, and its frames."""

import logging
from collections.abc import Callable, Iterator

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.convention import tensor_to_image
from ..model_loaders import memory
from ..pipeline.animate import Animation
from ..pipeline.devices import replicas
from ..pipeline.extend import extend_animation
from ..pipeline.frames import frames_of
from ..pipeline.settings import ExtendSettings
from ..sampling.joins import JOINS
from .progress import latent_progress, progress
from .types import (
    ADVANCED,
    ANIMATION_CATEGORY,
    LARGEST_SEED,
    SEED,
    AnimationSocket,
    aliases,
)

ANIMATION = "From Animate Image or Extend Animation."
CHUNK = io.Int.Input(
    "chunk_frames",
    default=8,
    min=1,
    max=256,
    tooltip="Frames decoded at once, at most; fewer where memory has no room. More: smoother over time and more "
    "memory. 1 flickers.",
    **ADVANCED,
)
DETAIL = io.Float.Input(
    "detail",
    default=1.0,
    min=0.0,
    max=1.0,
    step=0.05,
    optional=True,
    tooltip="How much of the still's own detail, which network and autoencoder blur, comes back: its pixels are "
    "carried along the flow, and put where the video shows the still carried so. 0: the decoder's picture as it is.",
)


class ExtendAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldExtendAnimation",
            display_name="Extend Animation (Phased Shared Noise)",
            category=ANIMATION_CATEGORY,
            **aliases("long video", "longer video", "extend video"),
            description="A longer video of segments that share the first steps of the animation's own run (paper, "
            "eq. 9–12). Changing a number here does not sample the first segment again.",
            inputs=[
                AnimationSocket.Input(
                    "animation",
                    tooltip="From Animate Image. The video begins with its first segment, up to the first join.",
                ),
                io.Int.Input(
                    "total_frames",
                    default=ExtendSettings.total_frames,
                    min=1,
                    max=10000,
                    tooltip="Frames of the whole video. Segments are added until it is reached, and the end is "
                    "trimmed.",
                ),
                io.Float.Input(
                    "gamma",
                    default=ExtendSettings.gamma,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="γ, the share of steps that all segments have in common. 1: copies of the first segment. "
                    "0.8 (paper): only fine texture differs. 0.55 to 0.65: motion that really differs. 0: every "
                    "segment runs all steps.",
                ),
                io.Float.Input(
                    "omega",
                    default=ExtendSettings.omega,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="ω, how much fresh noise each segment gets beside the shared noise. More: segments "
                    "differ more.",
                ),
                io.Int.Input(
                    "seed",
                    default=ExtendSettings.seed,
                    min=0,
                    max=LARGEST_SEED,
                    control_after_generate=True,
                    tooltip=SEED,
                ),
                io.Combo.Input(
                    "joins",
                    options=JOINS,
                    default=ExtendSettings.joins,
                    optional=True,
                    tooltip="How segments meet. restart: the paper's, each jumps back to the still. Ours: offset "
                    "windows keep the texture going across that jump; crossfade lets the next pass fade in before "
                    "one ends, and no pass repeats another; loop fades all the time and repeats exactly; ping-pong "
                    "runs to the end and back, without a fade: for things with outlines.",
                ),
                io.Int.Input(
                    "devices",
                    default=1,
                    min=1,
                    max=64,
                    optional=True,
                    tooltip="GPUs of this machine that share the segments, each with a copy of the model.",
                    **ADVANCED,
                ),
            ],
            outputs=[
                AnimationSocket.Output("long_animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What was done, in words."),
            ],
        )

    @classmethod
    def validate_inputs(cls, devices: int | None = 1) -> bool | str:
        try:
            memory.devices(1 if devices is None else devices)  # None: linked
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        animation: Animation,
        total_frames: int,
        gamma: float,
        omega: float,
        seed: int,
        joins: str = ExtendSettings.joins,
        devices: int = 1,
    ) -> io.NodeOutput:
        longer = extend_animation(
            animation,
            ExtendSettings(total_frames=total_frames, gamma=gamma, omega=omega, seed=seed, joins=joins),
            workers=replicas(animation.animator, memory.devices(devices)),
            on_window=latent_progress(animation.animator),
        )
        logging.info("Driftfield: %s", longer.report)
        return io.NodeOutput(longer, longer.report, ui=ui.PreviewText(longer.report))


class DecodeAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldDecodeAnimation",
            display_name="Decode Animation",
            category=ANIMATION_CATEGORY,
            **aliases("vae decode", "frames"),
            description="Frames of an animation, for Create Video, Video Combine, Save Image and others.",
            inputs=[AnimationSocket.Input("animation", tooltip=ANIMATION), CHUNK, DETAIL],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="All frames, of the still's size."),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="Latents as VAE Decode and KSampler of ComfyUI have them (divided by the VAE's scaling "
                    "factor), of the padded size. Only SVD's have four channels.",
                ),
            ],
        )

    @classmethod
    def execute(cls, animation: Animation, chunk_frames: int, detail: float = 1.0) -> io.NodeOutput:
        images, first = None, 0
        for part in pictures(animation, chunk_frames, detail, progress()):
            if images is None:
                images = torch.empty((len(animation.latents), *part.shape[1:]))
            images[first : first + len(part)] = part
            first += len(part)
        return io.NodeOutput(images, {"samples": animation.latents / animation.animator.scaling_factor})


def pictures(
    animation: Animation, chunk_frames: int, detail: float, on_step: Callable[[int, int], None]
) -> Iterator[Tensor]:
    """IMAGE batches [n, H, W, 3] of the animation, one after the other."""
    for part in frames_of(animation, chunk_frames=chunk_frames, detail=detail, on_step=on_step):
        yield tensor_to_image(part)
