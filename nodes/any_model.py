"""Arrows and long videos for any video model that ComfyUI loads."""

import logging
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.convention import image_to_tensor, mask_frames, tensor_to_image
from ..flow_tools.motion import Motion, as_motion
from ..pipeline.doubts import doubts_of_motion
from ..pipeline.joined import PICTURE_JOINS, join_segments
from ..pipeline.native import follow_flow
from ..pipeline.native_phased import phased
from ..pipeline.settings import ExtendSettings
from ..pipeline.warped import warp_image
from ..sampling.levels import AUTOMATIC, GAMMA_COUNTS, NOISE
from .types import ADVANCED, LARGEST_SEED, SEED, OpticalFlowSocket, aliases, single

CATEGORY = "Driftfield/any model"


class WarpImageAlongFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldWarpImageAlongFlow",
            display_name="Warp Image Along Flow",
            category=CATEGORY,
            **aliases("time to move", "ttm", "warped video", "motion video", "vace"),
            description="Moves an image along a flow: a rough video without a model, and masks of what moves and what "
            "rests. For Follow Flow (Any Model), and for other nodes that take a rough video.",
            inputs=[
                io.Image.Input("image", tooltip="The image to move. Exactly one: the start image of the video."),
                OpticalFlowSocket.Input("flow", tooltip="From Densify Flow, Enliven or Estimate Flow from Video."),
                io.Int.Input(
                    "frames",
                    default=81,
                    min=2,
                    max=1024,
                    tooltip="Frames of the video, as many as the model will make: Wan 81, SVD-XT 25. Set frames in "
                    "Arrows to Sparse Flow to the same number.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of the video in pixels, as the model will make it. 0: the image's. Another shape "
                    "than the image's shows its middle.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of the video in pixels, as the model will make it. 0: the image's.",
                ),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="The last frame leads back to the first.",
                ),
            ],
            outputs=[
                io.Image.Output("video", display_name="video", tooltip="The frames. The first one is the image."),
                io.Mask.Output(
                    "moving",
                    display_name="moving",
                    tooltip="White where something that moves has come to, one mask for each frame.",
                ),
                io.Mask.Output(
                    "resting",
                    display_name="resting",
                    tooltip="White where nothing has come and nothing has gone, one mask for each frame. What is black "
                    "in both masks was uncovered: the model paints it.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, image: Tensor, flow: Motion | Tensor, frames: int, width: int, height: int, loop: bool
    ) -> io.NodeOutput:
        motion = as_motion(flow)
        video, moving, resting = warp_image(single(image), motion, frames=frames, width=width, height=height, loop=loop)
        for warning in doubts_of_motion(motion, frames):
            logging.warning("Driftfield: %s", warning)
        return io.NodeOutput(tensor_to_image(video), moving[:, 0], resting[:, 0])


class FollowFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldFollowFlow",
            display_name="Follow Flow (Any Model)",
            category=CATEGORY,
            **aliases("time to move", "ttm", "dual clock", "motion control", "wan", "ltx", "hunyuan"),
            description="Makes any video model follow arrows, without training: while the noise is strong, its video "
            "is kept to the image moved along the flow. With two experts (Wan 2.2) patch both models alike.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The model to steer, from any loader. LoRAs and shift may come before or after. LazyCache "
                    "must come after this node.",
                ),
                io.Latent.Input(
                    "target",
                    tooltip="The video from Warp Image Along Flow, through VAE Encode with this model's VAE.",
                ),
                io.Mask.Input("moving", tooltip="From Warp Image Along Flow."),
                io.Float.Input(
                    "weak",
                    default=AUTOMATIC,
                    min=AUTOMATIC,
                    max=1.0,
                    step=0.01,
                    tooltip="For which share of the sampling the whole video is kept to the target, so that it begins "
                    "with the right picture. 0: not at all, 1: to the end. -1: automatic.",
                ),
                io.Float.Input(
                    "strong",
                    default=AUTOMATIC,
                    min=AUTOMATIC,
                    max=1.0,
                    step=0.01,
                    tooltip="For which share of the sampling what moves is kept to the target. Higher: follows the "
                    "arrows better, looks more like a cut-out. At least weak. -1: automatic, with few steps at least "
                    "one step more than weak.",
                ),
                io.Float.Input(
                    "still",
                    default=AUTOMATIC,
                    min=AUTOMATIC,
                    max=1.0,
                    step=0.01,
                    tooltip="For which share of the sampling what rests is kept to the target. Needs the mask resting. "
                    "0: not longer than weak. -1: automatic, to the end.",
                ),
                io.Mask.Input(
                    "resting",
                    optional=True,
                    tooltip="From Warp Image Along Flow: what rests stays as in the image. If not connected, the model "
                    "is free there.",
                ),
            ],
            outputs=[
                io.Model.Output("patched", display_name="model", tooltip="For KSampler, CFGGuider and others."),
                io.Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="The target, for latent_image of the sampler node. SVD and CogVideoX need it there; Wan, "
                    "LTX and Hunyuan work with an empty latent as well.",
                ),
                io.String.Output("report", display_name="report", tooltip="What the node did, as text."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        target: dict[str, Any],
        moving: Tensor,
        weak: float,
        strong: float,
        still: float,
        resting: Tensor | None = None,
    ) -> io.NodeOutput:
        patched, report = follow_flow(
            model,
            target,
            mask_frames(moving, "moving"),
            None if resting is None else mask_frames(resting, "resting"),
            weak=weak,
            strong=strong,
            still=still,
        )
        return io.NodeOutput(patched, target, report, ui=ui.PreviewText(report))


class PhasedSharedNoiseSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldPhasedSharedNoiseSampler",
            display_name="Phased Shared-Noise Sampler",
            category=CATEGORY,
            **aliases("long video", "longer video", "extend video", "context windows"),
            description="Makes a sampler that gives several segments for little more than the price of one: all share "
            "the first steps. VAE Decode shows them one after the other, Join Segments joins them.",
            inputs=[
                io.Sampler.Input(
                    "sampler",
                    tooltip="From KSamplerSelect. All but dpm_fast and dpm_adaptive. With two experts (Wan 2.2): the "
                    "one for the low noise only.",
                ),
                io.Int.Input(
                    "segments",
                    default=3,
                    min=1,
                    max=256,
                    tooltip="How many segments, each as long as the latent. 1: the sampler as it was.",
                ),
                io.Float.Input(
                    "gamma",
                    default=ExtendSettings.gamma,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the sampling all segments share. Higher: faster, and segments that are more "
                    "alike. 1: the first segment again and again.",
                ),
                io.Float.Input(
                    "omega",
                    default=ExtendSettings.omega,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="How much fresh noise each segment adds to the shared noise.",
                ),
                io.Int.Input("seed", default=0, min=0, max=LARGEST_SEED, control_after_generate=True, tooltip=SEED),
                io.Combo.Input(
                    "gamma_counts",
                    options=GAMMA_COUNTS,
                    default=NOISE,
                    tooltip="What gamma is a share of. noise: as much noise is left as gamma leaves with SVD, on any "
                    "model, also with two experts. schedule: of the model's whole schedule. steps: of this sampler's "
                    "steps, as in the paper. A step is always left where gamma is below 1.",
                    **ADVANCED,
                ),
            ],
            outputs=[
                io.Sampler.Output("phased", display_name="sampler", tooltip="For SamplerCustomAdvanced and others.")
            ],
        )

    @classmethod
    def execute(
        cls, sampler: Any, segments: int, gamma: float, omega: float, seed: int, gamma_counts: str = NOISE
    ) -> io.NodeOutput:
        return io.NodeOutput(
            phased(sampler, segments=segments, gamma=gamma, omega=omega, seed=seed, gamma_counts=gamma_counts)
        )


class JoinSegments(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldJoinSegments",
            display_name="Join Segments",
            category=CATEGORY,
            **aliases("crossfade", "blend videos", "loop", "ping-pong", "long video"),
            description="Joins the decoded segments of Phased Shared-Noise Sampler into one video.",
            inputs=[
                io.Image.Input("images", tooltip="From VAE Decode: the segments, one after the other."),
                io.Int.Input(
                    "segments",
                    default=3,
                    min=1,
                    max=256,
                    tooltip="How many segments there are, as in Phased Shared-Noise Sampler.",
                ),
                io.Int.Input(
                    "total_frames",
                    default=0,
                    min=0,
                    max=10000,
                    tooltip="Frames of the whole video. 0: as many as the segments give.",
                ),
                io.Combo.Input(
                    "joins",
                    options=PICTURE_JOINS,
                    default=ExtendSettings.joins,
                    tooltip="How segments meet. crossfade: the next fades in, uses up half a segment at each join. "
                    "loop: the same, half of each segment fades. ping-pong: the first segment forwards and backwards, "
                    "any length, the others are not used. restart: one after the other, jumps back to the image.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The start image. With flow: things that move as wholes are put on top, so that a fade "
                    "never shows them twice.",
                ),
                OpticalFlowSocket.Input(
                    "flow", optional=True, tooltip="The flow that the segments follow, with the things that move."
                ),
            ],
            outputs=[io.Image.Output("joined", display_name="images", tooltip="The frames of the long video.")],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        segments: int,
        total_frames: int,
        joins: str,
        image: Tensor | None = None,
        flow: Motion | Tensor | None = None,
    ) -> io.NodeOutput:
        joined = join_segments(
            image_to_tensor(images, "images"),
            segments=segments,
            total_frames=total_frames,
            joins=joins,
            image=None if image is None else single(image),
            motion=None if flow is None else as_motion(flow),
        )
        return io.NodeOutput(tensor_to_image(joined))
