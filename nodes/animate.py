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
from ..pipeline.settings import AUTOMATIC, CONTROLS, WHOLE, Settings
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
    later,
    single,
)

STRENGTH_MODES = ["auto", "manual"]
ANIMATOR = "From Load Animation Model or Apply Camera LoRA."


class EncodeMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldEncodeMotion",
            display_name="Encode Motion",
            category=ANIMATION_CATEGORY,
            **aliases("motion guidance", "flow to motion"),
            description="Turns a flow into motion for Animate Image, with the adapter's motion encoder.",
            inputs=[
                AnimatorSocket.Input(
                    "animator",
                    tooltip="From Load Animation Model or Apply Camera LoRA. Use the same one in Animate Image.",
                ),
                OpticalFlowSocket.Input(
                    "flow",
                    tooltip="From Densify Flow, or the last Enliven behind it. In pixels per frame: one flow for all "
                    "frames, or one for each pair of neighbouring frames.",
                ),
                io.Float.Input(
                    "guidance_strength",
                    display_name="adapter_strength",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How strongly the adapter makes the model follow the flow. 1: as trained, 0: off. The "
                    "built-in adapter also warps the reference image, so things still move at 0. No effect without an "
                    "adapter.",
                ),
            ],
            outputs=[GuidanceSocket.Output("guidance", display_name="motion")],
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
            description="Makes a video segment from one image. Connect motion to choose what moves where.",
            inputs=[
                AnimatorSocket.Input("animator", tooltip=ANIMATOR),
                io.Image.Input(
                    "image",
                    tooltip="The image to animate. Exactly one. Best near the size the model was trained at: 256×256 "
                    "for the built-in model, 1024×576 for SVD-XT; see sampling_size. Sides are padded to a multiple of "
                    "64, and cropped back.",
                ),
                io.Int.Input(
                    "seed", default=Settings.seed, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED
                ),
                io.Int.Input(
                    "steps",
                    default=Settings.steps,
                    min=1,
                    max=200,
                    tooltip="Sampling steps. Built-in model: 6, more makes it worse. SVD: 25.",
                ),
                io.Float.Input(
                    "cfg_min",
                    default=Settings.cfg_min,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="CFG scale of the first frame. Built-in model: 1, and cfg_max 1 too, which is twice as "
                    "fast. SVD: 1.",
                ),
                io.Float.Input(
                    "cfg_max",
                    default=Settings.cfg_max,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="CFG scale of the last frame; in between it rises evenly. Built-in model: 1. SVD: 3.",
                ),
                io.Int.Input(
                    "fps",
                    default=Settings.fps,
                    min=0,
                    max=120,
                    tooltip="Frame rate that the model is conditioned on; the number of frames stays. 0: the model's "
                    "own (built-in 8, SVD 7).",
                ),
                io.Combo.Input(
                    "strength_mode",
                    options=STRENGTH_MODES,
                    default="auto",
                    tooltip="auto: motion strength is measured from the flow; but with dual clock and no adapter "
                    "motion_bucket_id is always 17. manual: motion_strength is used.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=100.0,
                    min=0.0,
                    max=2000.0,
                    step=1.0,
                    tooltip="For strength_mode manual, in percent: 100 is a mean of 1 pixel per frame at 512 px. It "
                    "goes to the adapter; without one it sets SVD's motion_bucket_id, and more than 255 changes "
                    "nothing. The report says which.",
                ),
                io.Int.Input(
                    "frames",
                    default=Settings.frames,
                    min=0,
                    max=256,
                    tooltip="Frames of this segment, at least 2. 0: as many as the model was trained on (built-in and "
                    "SVD-XT 25, SVD 14). For longer videos use Extend Animation.",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "noise_aug_strength",
                    default=Settings.noise_aug_strength,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Noise added to the image before it is encoded. More: freer motion, less like the image.",
                    **ADVANCED,
                ),
                io.Boolean.Input(
                    "loop",
                    default=Settings.loop,
                    tooltip="The last frame leads back to the first (not in the paper). Needs motion and a warped "
                    "reference: the built-in adapter has one, otherwise choose it in control.",
                ),
                io.Combo.Input(
                    "control",
                    options=CONTROLS,
                    default=Settings.control,
                    optional=True,
                    tooltip="How the flow steers, besides the adapter (not in the paper). auto: as the adapter was "
                    "trained, or dual clock without an adapter; what should not move stays as in the image. as "
                    "trained: nothing is added. warped reference: the model sees the image warped along the flow. "
                    "dual clock: sampling starts from the warped image, and what moves is kept to it while the noise "
                    "is strong.",
                ),
                io.Float.Input(
                    "weak_noise",
                    default=Settings.weak_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="Dual clock: the noise level (sigma) at which sampling starts from the warped image. "
                    "Lower: everything stays closer to it. -1: automatic (75 for SVD).",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "strong_noise",
                    default=Settings.strong_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="Dual clock: what moves is kept to the warped image down to this noise level (sigma). "
                    "Lower: follows the arrows better, looks more like a cut-out. -1: automatic (31 for SVD).",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "still_noise",
                    default=Settings.still_noise,
                    min=AUTOMATIC,
                    max=1000.0,
                    step=0.1,
                    optional=True,
                    tooltip="What should not move is kept to the image down to this noise level (sigma). 0: to the "
                    "end. 1000: not at all. -1: automatic (0, or not at all with control as trained).",
                    **ADVANCED,
                ),
                GuidanceSocket.Input(
                    "guidance",
                    display_name="motion",
                    optional=True,
                    tooltip="From Encode Motion. If not connected, the model chooses what moves.",
                ),
                io.Sampler.Input("sampler", optional=True, tooltip="From KSamplerSelect. If not connected: Euler."),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Noise levels from a scheduler node, used instead of steps. Decreasing, ending in 0, "
                    "within the model's range (SVD 700 to 0.002, built-in 80 to 0.002). If not connected: Karras, rho "
                    "7.",
                ),
                io.Image.Input(
                    "clean_plate",
                    optional=True,
                    tooltip="The same image without the things that move, for what they uncover. Exactly one, of the "
                    "same size. If not connected, it is filled with pieces copied from around them.",
                ),
                later(
                    io.Int.Input(
                        "sampling_size",
                        default=int(AUTOMATIC),
                        min=int(AUTOMATIC),
                        max=8192,
                        optional=True,
                        tooltip="The longer side, in pixels and about, at which the model samples. The video has the "
                        "image's size and detail in any case. Smaller is faster and takes less memory. -1: automatic, "
                        "near 256 for the built-in model, the image's size for others. 0: the image's size. Needs "
                        "motion.",
                        **ADVANCED,
                    ),
                    absent=WHOLE,
                ),
            ],
            outputs=[
                AnimationSocket.Output("animation", display_name="animation"),
                io.String.Output("report", display_name="report", tooltip="What the node did, as text."),
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
        clean_plate: Tensor | None = None,
        sampler: Any = None,
        sigmas: Tensor | None = None,
        sampling_size: int = Settings.sampling_size,
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
            sampling_size=sampling_size,
        )
        sigmas = None if sigmas is None else checked_sigmas(sigmas)
        run_sampler = wrap_sampler(sampler, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, seed=seed)
        plate = None if clean_plate is None else single(clean_plate, "clean_plate")
        planned = plan(animator, single(image), guidance, settings, sigmas=sigmas, clean_plate=plate)
        animation = animate(animator, planned, sampler=run_sampler, on_step=latent_progress(animator, planned.still))
        logging.log(logging.WARNING if planned.warnings else logging.INFO, "Driftfield: %s", planned.report)
        return io.NodeOutput(animation, animation.report, ui=ui.PreviewText(animation.report))


def checked_sigmas(sigmas: Tensor) -> Tensor:
    """[T + 1]; ValueError unless they end in 0, where a video is free of noise; the sampling loop checks the rest."""
    if sigmas.ndim != 1 or len(sigmas) < 2 or sigmas[-1] != 0:
        raise ValueError(f"sigmas: got {sigmas.tolist()}, allowed 2 or more decreasing noise levels ending in 0")
    return sigmas
