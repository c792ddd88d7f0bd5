"""The methods that the paper compares with, to compare for oneself."""

import logging

from comfy_api.latest import io, ui

from ..pipeline.animate import Animation
from ..pipeline.baselines import METHODS, lengthen
from ..pipeline.settings import BaselineSettings
from .progress import latent_progress
from .types import (
    ANIMATION_CATEGORY,
    LARGEST_SEED,
    SEED,
    AnimationSocket,
    aliases,
)


class ExtendAnimationOtherMethods(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldExtendAnimationOtherMethods",
            display_name="Extend Animation (Other Methods)",
            category=ANIMATION_CATEGORY,
            **aliases("freenoise", "gen-l-video", "long video"),
            description="Makes an animation longer by other methods, to compare. Much slower than Extend Animation "
            "(Phased Shared Noise).",
            inputs=[
                AnimationSocket.Input("animation", tooltip="From Animate Image."),
                io.Int.Input(
                    "total_frames",
                    default=BaselineSettings.total_frames,
                    min=1,
                    max=10000,
                    tooltip="Frames of the whole video.",
                ),
                io.Combo.Input(
                    "method",
                    options=METHODS,
                    default=BaselineSettings.method,
                    tooltip="Direct: each clip starts from the last frame of the one before. Gen-L-Video: at every "
                    "step, overlapping windows of the whole video are denoised and averaged. FreeNoise: the same, "
                    "with the first segment's noise repeated in another order, and the middle of each window weighted "
                    "most.",
                ),
                io.Int.Input(
                    "overlap",
                    default=BaselineSettings.overlap,
                    min=0,
                    max=255,
                    tooltip="Frames that neighbouring windows have in common. 0: half a segment. Not used by Direct.",
                ),
                io.Int.Input(
                    "seed",
                    default=BaselineSettings.seed,
                    min=0,
                    max=LARGEST_SEED,
                    control_after_generate=True,
                    tooltip=SEED,
                ),
            ],
            outputs=[
                AnimationSocket.Output("long_animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What the node did, as text."),
            ],
        )

    @classmethod
    def execute(cls, animation: Animation, total_frames: int, method: str, overlap: int, seed: int) -> io.NodeOutput:
        settings = BaselineSettings(total_frames=total_frames, method=method, overlap=overlap, seed=seed)
        longer = lengthen(animation, settings, on_window=latent_progress(animation.animator, animation.plan.still))
        logging.info("Driftfield: %s", longer.report)
        return io.NodeOutput(longer, longer.report, ui=ui.PreviewText(longer.report))
