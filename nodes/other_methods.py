"""The methods that the paper compares with, to compare for oneself."""

import logging
from dataclasses import replace

from comfy_api.latest import io, ui

from ..model_loaders.other_methods import DIRECT, FREE_NOISE, METHODS, evaluations, lengthen
from .extend import UNFINISHED, unfinished
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
    def define_schema(cls):
        return io.Schema(
            node_id="DriftfieldExtendAnimationOtherMethods",
            display_name="Extend Animation (Other Methods)",
            category=ANIMATION_CATEGORY,
            **aliases("freenoise", "gen-l-video", "long video"),
            description="A longer video by the methods that the paper compares its own with (Table 2), on the same "
            "model. They cost far more.",
            inputs=[
                AnimationSocket.Input("animation", tooltip="From Animate Image."),
                io.Int.Input(
                    "total_frames",
                    default=125,
                    min=1,
                    max=10000,
                    tooltip="Frames of the whole video.",
                ),
                io.Combo.Input(
                    "method",
                    options=METHODS,
                    default=FREE_NOISE,
                    tooltip="Direct: each clip starts from the last frame of the one before. Gen-L-Video: in every "
                    "step overlapping windows of the whole video are averaged. FreeNoise: the same with noise that "
                    "repeats in another order, and with windows that weigh most in their middle.",
                ),
                io.Int.Input(
                    "overlap",
                    default=0,
                    min=0,
                    max=255,
                    tooltip="Frames that neighbouring windows share. 0: half a segment. Not used by Direct.",
                ),
                io.Int.Input("seed", default=0, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED),
            ],
            outputs=[
                AnimationSocket.Output("long_animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What was done, in words."),
            ],
        )

    @classmethod
    def execute(cls, animation, total_frames, method, overlap, seed) -> io.NodeOutput:
        overlap = overlap or animation.segment_frames // 2
        answers = unfinished(animation.trajectory, (method, total_frames, overlap, seed))
        latents = lengthen(
            animation,
            total_frames,
            method=method,
            overlap=overlap,
            seed=seed,
            answers=answers,
            on_window=latent_progress(animation.animator),
        )
        del UNFINISHED[animation.trajectory]
        passes = evaluations(method, animation, total_frames, overlap)
        shared = "" if method == DIRECT else f", windows share {overlap} frames"
        report = (
            f"{method}: {total_frames} frames from segments of {animation.segment_frames}{shared}; "
            f"{passes} evaluations of a segment"
        )
        logging.info("Driftfield: %s", report)
        return io.NodeOutput(replace(animation, latents=latents, timeline=None), report, ui=ui.PreviewText(report))
