"""The animation itself: motion encoded, image animated."""

import logging
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.motion import Motion, as_motion
from ..model_loaders.animator import Animator
from ..pipeline.animate import animate
from ..pipeline.motion import EncodedMotion, encode_motion
from ..pipeline.plan import plan
from ..pipeline.settings import AUTOMATIC, CONTROLS, Settings
from .progress import latent_progress, progress
from .samplers import wrap_sampler
from .types import (
    ADVANCED,
    ANIMATION_CATEGORY,
    LARGEST_SEED,
    SEED,
    AnimationSocket,
    AnimatorSocket,
    GuidanceSocket,
    OpticalFlowSocket,
    aliases,
    choice,
    single,
)

STRENGTH_MODES = ["auto", "manual"]
ANIMATOR = "From Load Animation Model, or Apply Camera LoRA."


class EncodeMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldEncodeMotion",
            display_name="Encode Motion",
            category=ANIMATION_CATEGORY,
            **aliases("motion guidance", "flow to guidance"),
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
    def execute(cls, animator: Animator, flow: Motion | Tensor, guidance_strength: float) -> io.NodeOutput:
        return io.NodeOutput(encode_motion(animator, as_motion(flow), guidance_strength, on_step=progress()))


class AnimateImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldAnimateImage",
            display_name="Animate Image (SVD)",
            category=ANIMATION_CATEGORY,
            **aliases("image to video", "i2v", "svd sampler", "stable video diffusion"),
            description="One segment of video from one still, following the guidance.",
            inputs=[
                AnimatorSocket.Input("animator", tooltip=ANIMATOR),
                io.Image.Input(
                    "image",
                    tooltip="The still, exactly one. Best near the size the model was trained at (built-in 256×256, "
                    "SVD-XT 1024×576). Sides are padded to a multiple of 64 and cropped back.",
                ),
                io.Int.Input(
                    "seed", default=Settings.seed, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED
                ),
                io.Int.Input(
                    "steps",
                    default=Settings.steps,
                    min=1,
                    max=200,
                    tooltip="Denoising steps: 6 for the built-in model (more add errors), 25 for SVD.",
                ),
                io.Float.Input(
                    "cfg_min",
                    default=Settings.cfg_min,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Guidance scale of the first frame. 1 and 1 for the built-in model (one pass a step, "
                    "twice as fast); SVD wants 1 to 3.",
                ),
                io.Float.Input(
                    "cfg_max",
                    default=Settings.cfg_max,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Guidance scale of the last frame; it rises evenly from cfg_min. SVD wants 3.",
                ),
                io.Int.Input(
                    "fps",
                    default=Settings.fps,
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
                    default=Settings.frames,
                    min=0,
                    max=256,
                    tooltip="Frames of this segment, 2 or more. 0: as many as the model was trained on (built-in and "
                    "SVD-XT 25, SVD 14). Longer videos: Extend Animation.",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "noise_aug_strength",
                    default=Settings.noise_aug_strength,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Noise added to the still (−1..1) before it is encoded. More: freer motion, less like "
                    "the still.",
                    **ADVANCED,
                ),
                io.Boolean.Input(
                    "loop",
                    default=Settings.loop,
                    tooltip="Ours, not the paper's: the last frame leads back to the first. Needs guidance and a "
                    "warped reference (the built-in adapter's, or chosen in control).",
                ),
                io.Combo.Input(
                    "control",
                    options=CONTROLS,
                    default=Settings.control,
                    optional=True,
                    tooltip="How the flow steers, beside an adapter's motion attention (ours, not the paper's). auto: "
                    "with an adapter as it was trained, without one the dual clock; what the flow asks to stand "
                    "still is held to the picture. as trained: nothing is added. warped reference: the model is "
                    "shown the still warped along the flow. dual clock: sampling starts from the warped still "
                    "and keeps what moves to it while the noise is strong.",
                ),
                io.Float.Input(
                    "weak_noise",
                    default=Settings.weak_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="Dual clock: the noise level at which sampling starts from the warped still. Lower: "
                    "closer to it everywhere. -1: automatic (75 for SVD, step 16 of 50 of the model's schedule).",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "strong_noise",
                    default=Settings.strong_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="Dual clock: what moves is held to the warped still down to this noise level. Lower: "
                    "obeys the arrows more, looks more like a cut-out. -1: automatic (31 for SVD, step 21 of 50).",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "still_noise",
                    default=Settings.still_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="What the flow asks to stand still is held to the picture down to this noise level: 0 to "
                    "the end, 1000 not at all. -1: automatic (0, or not at all in the control as trained).",
                    **ADVANCED,
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
        animator: Animator,
        image: Tensor,
        seed: int,
        steps: int,
        cfg_min: float,
        cfg_max: float,
        fps: int,
        strength_mode: str,
        motion_strength: float,
        frames: int,
        noise_aug_strength: float,
        loop: bool,
        control: str = Settings.control,
        weak_noise: float = Settings.weak_noise,
        strong_noise: float = Settings.strong_noise,
        still_noise: float = Settings.still_noise,
        guidance: EncodedMotion | None = None,
        sampler: Any = None,
        sigmas: Tensor | None = None,
    ) -> io.NodeOutput:
        manual = choice(strength_mode, STRENGTH_MODES, "strength_mode") == "manual"
        settings = Settings(
            seed=seed,
            steps=steps,
            cfg_min=cfg_min,
            cfg_max=cfg_max,
            fps=fps,
            motion_strength=motion_strength if manual else None,
            frames=frames,
            noise_aug_strength=noise_aug_strength,
            loop=loop,
            control=control,
            weak_noise=weak_noise,
            strong_noise=strong_noise,
            still_noise=still_noise,
        )
        sigmas = None if sigmas is None else checked_sigmas(sigmas)
        run_sampler = wrap_sampler(sampler, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, seed=seed)
        planned = plan(animator, single(image), guidance, settings, sigmas=sigmas)
        animation = animate(animator, planned, sampler=run_sampler, on_step=latent_progress(animator))
        logging.log(logging.WARNING if planned.warnings else logging.INFO, "Driftfield: %s", planned.report)
        return io.NodeOutput(animation, animation.report, ui=ui.PreviewText(animation.report))


def checked_sigmas(sigmas: Tensor) -> Tensor:
    """[T + 1]; ValueError unless they end in 0, where a video is free of noise; the sampling loop checks the rest."""
    if sigmas.ndim != 1 or len(sigmas) < 2 or sigmas[-1] != 0:
        raise ValueError(f"sigmas: got {sigmas.tolist()}, allowed 2 or more decreasing noise levels ending in 0")
    return sigmas
