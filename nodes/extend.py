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
    tooltip="How many frames are decoded at once, at most; fewer if memory is short. Higher: smoother over time, more "
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
    tooltip="Sharpens: where a frame shows the input image moved along the flow, the image's own pixels are blended "
    "back. 0: the decoder's picture.",
)


class ExtendAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldExtendAnimation",
            display_name="Extend Animation (Phased Shared Noise)",
            category=ANIMATION_CATEGORY,
            **aliases("long video", "longer video", "extend video"),
            description="Makes an animation longer. All segments share the first sampling steps, which saves time. A "
            "change here does not sample the first segment again.",
            inputs=[
                AnimationSocket.Input(
                    "animation",
                    tooltip="From Animate Image. It becomes the beginning of the long video.",
                ),
                io.Int.Input(
                    "total_frames",
                    default=ExtendSettings.total_frames,
                    min=1,
                    max=10000,
                    tooltip="Frames of the whole video. Segments are added until there are enough; what is too much "
                    "is cut off.",
                ),
                io.Float.Input(
                    "gamma",
                    default=ExtendSettings.gamma,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="γ: the fraction of sampling steps that all segments share, rounded down to whole steps: "
                    "of 6 steps both 0.7 and 0.8 share 4. 1: copies of the first segment. 0.8 (paper): only fine "
                    "texture differs. 0.55 to 0.65: the motion differs. 0: every segment samples all steps, the "
                    "slowest.",
                ),
                io.Float.Input(
                    "omega",
                    default=ExtendSettings.omega,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="ω: how much new noise each segment gets, besides the shared noise. More: segments differ "
                    "more.",
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
                    options=list(JOINS),
                    default=ExtendSettings.joins,
                    optional=True,
                    tooltip="How segments meet. restart (the paper's way): each jumps back to the input image. offset "
                    "windows: the same, but texture continues across the jump. crossfade: the next segment fades in "
                    "before one ends, and none repeats another. loop: fades all the time; the motion repeats, with "
                    "other texture unless gamma is 1. ping-pong: plays to the end and back without a fade. "
                    "Objects are never shown twice: they go there and back at their own clock. Only restart is in the "
                    "paper.",
                ),
                io.Int.Input(
                    "devices",
                    default=1,
                    min=1,
                    max=64,
                    optional=True,
                    tooltip="How many of this machine's GPUs sample the segments, each with a copy of the model.",
                    **ADVANCED,
                ),
            ],
            outputs=[
                AnimationSocket.Output("long_animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What the node did, as text."),
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
            on_window=latent_progress(animation.animator, animation.plan.still),
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
            description="Decodes an animation into frames, for Create Video, Video Combine, Save Image and others.",
            inputs=[AnimationSocket.Input("animation", tooltip=ANIMATION), CHUNK, DETAIL],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="All frames, of the input image's size."),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="Latents in the scale that ComfyUI's VAE Decode and KSampler use, of the size that the "
                    "model sampled at. Only SVD's have four channels.",
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
