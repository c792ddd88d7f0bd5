"""The animation itself: motion encoded, image animated."""

import logging

import torch
from comfy_api.latest import io, ui

from ..flow_tools.convention import check_flow, image_to_tensor, pad_to_multiple
from ..model_loaders import memory
from ..model_loaders.animator import encode_motion
from ..model_loaders.conditioning import (
    PAD,
    MotionGuidance,
    choose_strength,
    condition,
    denoisers,
    fit_guidance,
)
from ..sampling.animate import animate
from ..sampling.guidance import guidance_scales
from ..sampling.schedule import karras_sigmas
from .progress import latent_progress, progress
from .samplers import wrap_sampler
from .types import (
    ADVANCED,
    ANIMATION_CATEGORY,
    LARGEST_SEED,
    SEED,
    Animation,
    AnimationSocket,
    AnimatorSocket,
    GuidanceSocket,
    OpticalFlowSocket,
    choice,
    single,
)

STRENGTH_MODES = ["auto", "manual"]
ANIMATOR = "From Load Animation Model, or Apply Camera LoRA."


class EncodeMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DriftfieldEncodeMotion",
            display_name="Encode Motion",
            category=ANIMATION_CATEGORY,
            description="Prepares a flow for the animator: its motion encoder's maps for the motion attention (eq. 4).",
            inputs=[
                AnimatorSocket.Input("animator", tooltip=f"{ANIMATOR} The same one as in Animate Image."),
                OpticalFlowSocket.Input(
                    "flow", tooltip="Optical flow, pixels per frame: one field for all frames, or one for each step."
                ),
                io.Float.Input(
                    "guidance_strength",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="g, the weight of the motion attention: 1 as trained, 0 off. A warped reference moves "
                    "the picture along the flow in either case.",
                ),
            ],
            outputs=[GuidanceSocket.Output("guidance", display_name="guidance")],
        )

    @classmethod
    def execute(cls, animator, flow, guidance_strength) -> io.NodeOutput:
        check_flow(flow)
        maps = None
        if animator.has_adapter:
            maps = encode_motion(animator, pad_to_multiple(flow, PAD)[0], on_step=progress())
        return io.NodeOutput(MotionGuidance(flow, maps, guidance_strength, animator.adapter))


class AnimateImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DriftfieldAnimateImage",
            display_name="Animate Image (SVD)",
            category=ANIMATION_CATEGORY,
            description="One segment of video from one still, following the guidance.",
            inputs=[
                AnimatorSocket.Input("animator", tooltip=ANIMATOR),
                io.Image.Input(
                    "image",
                    tooltip="The still, exactly one. Best near the size the model was trained at (built-in 256×256, "
                    "SVD-XT 1024×576). Sides are padded to a multiple of 64 and cropped back.",
                ),
                io.Int.Input("seed", default=0, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED),
                io.Int.Input(
                    "steps",
                    default=12,
                    min=1,
                    max=200,
                    tooltip="Denoising steps: 12 for the built-in model, 25 for SVD.",
                ),
                io.Float.Input(
                    "cfg_min",
                    default=1.0,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Guidance scale of the first frame. 1 and 1 for the built-in model (one pass a step, "
                    "twice as fast); SVD wants 1 to 3.",
                ),
                io.Float.Input(
                    "cfg_max",
                    default=1.0,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Guidance scale of the last frame; it rises evenly from cfg_min. SVD wants 3.",
                ),
                io.Int.Input(
                    "fps",
                    default=0,
                    min=0,
                    max=120,
                    tooltip="Frames per second the model is told. 0: the model's own (built-in 8, SVD 7).",
                ),
                io.Combo.Input(
                    "strength_mode",
                    options=STRENGTH_MODES,
                    default="auto",
                    tooltip="auto: motion strength is measured from the guidance's flow. manual: motion_strength is "
                    "used.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=100.0,
                    min=0.0,
                    max=2000.0,
                    step=1.0,
                    tooltip="Percent, in the mode manual: 100 is a mean of 1 pixel per frame at 512 px. Drives the "
                    "adapter, or without one SVD's motion_bucket_id (0..255). The report says which.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Frames of this segment, 2 or more. 0: as many as the model was trained on (built-in and "
                    "SVD-XT 25, SVD 14). Longer videos: Extend Animation.",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "noise_aug_strength",
                    default=0.02,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Noise added to the still (−1..1) before it is encoded. More: freer motion, less like "
                    "the still.",
                    **ADVANCED,
                ),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="Ours, not the paper's: the last frame leads back to the first. Needs guidance and an "
                    "adapter with a warped reference (the built-in one).",
                ),
                GuidanceSocket.Input(
                    "guidance",
                    optional=True,
                    tooltip="From Encode Motion. Without it the model moves things as it likes.",
                ),
                io.Sampler.Input("sampler", optional=True, tooltip="From KSamplerSelect. Without it: Euler."),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Noise levels instead of steps, decreasing, ending in 0, within the model's range (SVD "
                    "700..0.002, built-in 80..0.002). Without them: Karras, rho 7.",
                ),
            ],
            outputs=[
                AnimationSocket.Output("animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What was done, in words."),
            ],
        )

    @classmethod
    def execute(
        cls,
        animator,
        image,
        seed,
        steps,
        cfg_min,
        cfg_max,
        fps,
        strength_mode,
        motion_strength,
        frames,
        noise_aug_strength,
        loop,
        guidance=None,
        sampler=None,
        sigmas=None,
    ) -> io.NodeOutput:
        picture = image_to_tensor(single(image))
        frames, fps = frames or animator.frames, fps or animator.fps
        if frames < 2:
            raise ValueError(f"frames: got {frames}, allowed 0 (the model's own) or 2 and more")
        if loop and (animator.reference != "warped" or guidance is None):
            what = "no guidance" if animator.reference == "warped" else f"a {animator.reference} reference"
            raise ValueError(f"loop: got {what}, allowed with guidance and an adapter that has a warped reference")
        sigmas = karras(animator, steps) if sigmas is None else checked_sigmas(sigmas)
        run_sampler = wrap_sampler(sampler, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, seed=seed)
        if guidance is not None:
            guidance = fit_guidance(guidance, animator, *picture.shape[-2:], frames)
        manual = motion_strength if choice(strength_mode, STRENGTH_MODES, "strength_mode") == "manual" else None
        strength, bucket, note = choose_strength(animator, guidance and guidance.flow, manual)

        padded, padding = pad_to_multiple(picture, PAD)
        generator = torch.Generator().manual_seed(seed)
        augmentation = torch.randn(padded.shape, generator=generator)  # drawn first, as diffusers does
        conditioning = condition(
            animator,
            picture,
            guidance,
            strength,
            bucket,
            frames=frames,
            fps=fps,
            noise=augmentation,
            noise_aug_strength=noise_aug_strength,
            loop=loop,
        )
        scale = guidance_scales(cfg_min, cfg_max, frames)
        _, denoise = denoisers(animator, conditioning, scale)
        noise = torch.randn(conditioning.reference.shape, generator=generator).to(memory.device())
        on_step = latent_progress(animator)
        trajectory = animate(denoise, noise, sigmas, sampler=run_sampler, on_step=on_step)
        animation = Animation(trajectory.latents, trajectory, conditioning, scale, run_sampler, animator, padding)
        passes = 1 if (scale == 1).all() else 2
        reference = "warped along the flow" if animator.reference == "warped" and guidance else "repeated"
        report = (
            f"{animator.name}: {frames} frames of {picture.shape[-1]}×{picture.shape[-2]} at {fps} fps, "
            f"{len(sigmas) - 1} steps, {passes} pass{'es' if passes > 1 else ''} a step; "
            f"reference {reference}{', looping' if loop else ''}; {note}"
        )
        logging.info("Driftfield: %s", report)
        return io.NodeOutput(animation, report, ui=ui.PreviewText(report))


def karras(animator, steps: int):
    return karras_sigmas(steps, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, rho=animator.rho)


def checked_sigmas(sigmas):
    """ValueError unless they end in 0, where a video is free of noise; the sampling loop checks the rest."""
    if sigmas.ndim != 1 or len(sigmas) < 2 or sigmas[-1] != 0:
        raise ValueError(f"sigmas: got {sigmas.tolist()}, allowed 2 or more decreasing noise levels ending in 0")
    return sigmas
