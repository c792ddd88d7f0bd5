"""An animation made longer, and its frames."""

import logging
import math
from dataclasses import replace

import torch
from comfy_api.latest import io, ui

from ..flow_tools.convention import crop_padding, tensor_to_image
from ..model_loaders import memory
from ..model_loaders.animator import decode
from ..model_loaders.conditioning import activation_bytes, denoisers
from ..sampling.phased import extend
from ..sampling.schedule import phase_boundary
from .progress import latent_progress, progress
from .types import ADVANCED, ANIMATION_CATEGORY, LARGEST_SEED, SEED, AnimationSocket


class ExtendAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DriftfieldExtendAnimation",
            display_name="Extend Animation (Phased Shared Noise)",
            category=ANIMATION_CATEGORY,
            description="A longer video of segments that share the first steps of the animation's own run (paper, "
            "eq. 9–12). Changing a number here does not sample the first segment again.",
            inputs=[
                AnimationSocket.Input("animation", tooltip="From Animate Image. Its first segment is kept as it is."),
                io.Int.Input(
                    "total_frames",
                    default=125,
                    min=1,
                    max=10000,
                    tooltip="Frames of the whole video. Segments are added until it is reached, and the end is "
                    "trimmed.",
                ),
                io.Float.Input(
                    "gamma",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="γ, the share of steps that all segments have in common. 1: copies of the first segment. "
                    "0.8 (paper): only fine texture differs. 0.55 to 0.65: motion that really differs. 0: every "
                    "segment runs all steps.",
                ),
                io.Float.Input(
                    "omega",
                    default=0.2,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="ω, how much fresh noise each segment gets beside the shared noise. More: segments "
                    "differ more.",
                ),
                io.Int.Input("seed", default=0, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED),
            ],
            outputs=[
                AnimationSocket.Output("long_animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What was done, in words."),
            ],
        )

    @classmethod
    def execute(cls, animation, total_frames, gamma, omega, seed) -> io.NodeOutput:
        animator, conditioning = animation.animator, animation.conditioning
        segments = math.ceil(total_frames / animation.segment_frames)
        steps = len(animation.trajectory.sigmas) - 1
        shared = phase_boundary(steps, gamma)
        on_step = latent_progress(animator)

        def run(batch: int):
            conditional, denoise = denoisers(animator, conditioning, animation.guidance_scale, segments=batch)
            return extend(
                conditional,
                denoise,
                animation.trajectory,
                (conditioning.reference * animator.scaling_factor).to(memory.device()),
                segments=segments,
                gamma=gamma,
                omega=omega,
                generator=torch.Generator().manual_seed(seed),
                batch_segments=batch,
                sampler=animation.sampler,
                on_step=on_step,
            )

        batch = memory.fitting(max(1, segments - 1), activation_bytes(animator, conditioning.reference))
        latents = memory.once_smaller(run, batch, 1, "segments sampled at once")[:total_frames]
        report = (
            f"{total_frames} frames: {segments} segment{'s' if segments > 1 else ''} of {animation.segment_frames}, "
            f"the first {shared} of {steps} steps shared"
        )
        logging.info("Driftfield: %s", report)
        return io.NodeOutput(replace(animation, latents=latents), report, ui=ui.PreviewText(report))


class DecodeAnimation(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DriftfieldDecodeAnimation",
            display_name="Decode Animation",
            category=ANIMATION_CATEGORY,
            description="Frames of an animation, for Create Video, Video Combine, Save Image and others.",
            inputs=[
                AnimationSocket.Input("animation", tooltip="From Animate Image or Extend Animation."),
                io.Int.Input(
                    "chunk_frames",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Frames decoded at once. More: smoother over time and more memory. 1 flickers.",
                    **ADVANCED,
                ),
            ],
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
    def execute(cls, animation, chunk_frames) -> io.NodeOutput:
        frames = decode(
            animation.animator,
            animation.latents,
            segment_frames=animation.segment_frames,
            chunk_frames=chunk_frames,
            on_step=progress(),
        )
        images = tensor_to_image(crop_padding(frames, animation.padding))
        return io.NodeOutput(images, {"samples": animation.latents / animation.animator.scaling_factor})
