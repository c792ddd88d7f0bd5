"""Optical flow: filled in, refined, estimated, measured, shown."""

import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.color import draw_flow, flow_to_color
from ..flow_tools.convention import image_to_tensor, mask_to_tensor, resize_flow, tensor_to_image
from ..flow_tools.dense import FOLLOWED, MODES, THRESHOLD, sigma_in_px
from ..flow_tools.estimate import estimate_flow, estimate_flow_raft
from ..flow_tools.motion import Motion, as_motion, dense_motion
from ..flow_tools.strength import strength_percent
from ..model_loaders import memory
from ..model_loaders.raft import load_core_model, load_raft
from ..model_loaders.refiner import Refiner
from ..pipeline.composition import moved_still
from ..pipeline.refine import refine
from .arrows import echo
from .progress import progress
from .types import (
    ADVANCED,
    OpticalFlowSocket,
    RefinerSocket,
    aliases,
    choice,
    single,
)

CATEGORY = "Driftfield/flow"
FLOW = "Optical flow in pixels per frame."
ESTIMATORS = ["dis", "raft"]
FlowModelSocket = io.Custom("OPTICAL_FLOW")  # ComfyUI's own: a ModelPatcher around torchvision's RAFT
PREVIEWS = ["color", "arrows", "moving image"]


class DensifyFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldDensifyFlow",
            display_name="Densify Flow (Gaussian)",
            category=CATEGORY,
            **aliases("dense optical flow", "gaussian", "spread motion"),
            description="Spreads the arrows' flow over the image around them, less with distance.",
            inputs=[
                OpticalFlowSocket.Input("sparse_flow", tooltip="From Arrows to Sparse Flow."),
                io.Mask.Input(
                    "hints",
                    tooltip="From Arrows to Sparse Flow: the mask of where the sparse flow is known. Of the same size.",
                ),
                io.Float.Input(
                    "sigma",
                    default=0.0,
                    min=0.0,
                    max=4096.0,
                    step=0.01,
                    tooltip="How far an arrow reaches. Below 1: a share of the image's longer side, 0.1 is a tenth of "
                    "it. From 1 on: pixels. Larger: more of the image moves along; motion ends at about 1.7 sigma. 0: "
                    "automatic, a third of the longer side.",
                ),
                io.Float.Input(
                    "threshold",
                    default=THRESHOLD,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    tooltip="Pixels below it do not move (R in the paper). followed, faded, normalized: compared with "
                    "the weight of the strongest arrow there, 0 to 1. sum: compared with the speed, in pixels per "
                    "frame.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default=FOLLOWED,
                    tooltip="followed: what is under an arrow moves along all of it, whatever other arrows and pins "
                    "are near, and motion fades out with distance. faded: arrows and pins near each other are "
                    "averaged, so each moves less. normalized: averaged, but motion ends at a hard edge. sum: the "
                    "paper's formula; arrows add up, and nearly the whole image moves.",
                ),
                io.Mask.Input(
                    "region", optional=True, tooltip="Only what is white in this mask moves. Resized to the flow."
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "flow", display_name="flow", tooltip="One flow for all frames, in pixels per frame."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        sparse_flow: Motion | Tensor,
        hints: Tensor,
        sigma: float,
        threshold: float,
        mode: str,
        region: Tensor | None = None,
    ) -> io.NodeOutput:
        sparse = as_motion(sparse_flow, "sparse_flow")
        height, width = sparse.field.shape[-2:]
        allowed = fitted(region, height, width)
        motion = dense_motion(
            sparse,
            mask_to_tensor(hints, "hints"),
            sigma_px=sigma_in_px(sigma, height, width),
            threshold=threshold,
            mode=mode,
            region=allowed,
        )
        notes = emptiness(allowed)
        if not notes and sparse.field.any() and not motion.field.any():
            notes = (
                "no arrow is left in the flow: make threshold in Densify Flow smaller, paint its region around an "
                "arrow, or connect sparse_flow and hints from the same node",
            )
        return io.NodeOutput(motion.with_field(motion.field, *notes))


class RefineFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldRefineFlow",
            display_name="Refine Flow (pix2pix)",
            category=CATEGORY,
            **aliases("optical flow refiner", "pix2pix"),
            description="Fits a smooth flow to the objects in the image, with a network (pix2pix). A flow that is 0 "
            "everywhere stays 0.",
            inputs=[
                RefinerSocket.Input("refiner", tooltip="From Load Flow Refiner."),
                OpticalFlowSocket.Input("flow", tooltip="The flow to refine, from Densify Flow."),
                io.Image.Input("image", tooltip="The image to animate. Exactly one. The flow is resized to it."),
                OpticalFlowSocket.Input(
                    "sparse_flow",
                    optional=True,
                    tooltip="From Arrows to Sparse Flow. With this and hints connected, the result keeps to the "
                    "arrows.",
                ),
                io.Mask.Input(
                    "hints",
                    optional=True,
                    tooltip="From Arrows to Sparse Flow: the mask of where the sparse flow is known.",
                ),
                io.Mask.Input(
                    "region", optional=True, tooltip="Only what is white in this mask moves, as in Densify Flow."
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "refined_flow",
                    display_name="flow",
                    tooltip="The refined flow, of the image's size, in pixels per frame.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        refiner: Refiner,
        flow: Motion | Tensor,
        image: Tensor,
        sparse_flow: Motion | Tensor | None = None,
        hints: Tensor | None = None,
        region: Tensor | None = None,
    ) -> io.NodeOutput:
        if (sparse_flow is None) != (hints is None):
            missing = "hints" if hints is None else "sparse_flow"
            raise ValueError(f"{missing}: not connected; allowed: sparse_flow and hints together, or neither")
        picture = single(image)
        size = picture.shape[-2:]
        dense, known, ways, allowed = as_motion(flow), None, None, fitted(region, *size)
        if sparse_flow is not None and hints is not None:
            sparse = as_motion(sparse_flow, "sparse_flow")
            if sparse.field.shape[-2:] != size:
                got = "×".join(map(str, reversed(sparse.field.shape[-2:])))
                raise ValueError(f"sparse_flow: got {got}, allowed the image's {size[1]}×{size[0]}")
            if len(sparse.field) not in (1, len(dense.field)):
                allowed_count = "1" if len(dense.field) == 1 else f"1 or {len(dense.field)}, as flow has"
                raise ValueError(f"sparse_flow: got {len(sparse.field)} fields, allowed {allowed_count}")
            known = sparse.field, mask_to_tensor(hints, "hints")
            ways = None if dense.ways is None else sparse.ways
        spread = resize_flow(dense.field, *size)
        refined = refine(refiner, spread, picture, hints=known, ways=ways, region=allowed, on_step=progress())
        return io.NodeOutput(dense.with_field(refined, *emptiness(allowed)))


def fitted(region: Tensor | None, height: int, width: int) -> Tensor | None:
    """A MASK of any size as [1, 1, height, width]."""
    if region is None:
        return None
    return F.interpolate(mask_to_tensor(region, "region"), size=(height, width), mode="bilinear")


def emptiness(region: Tensor | None) -> tuple[str, ...]:
    """A note where the region [1, 1, H, W] lets nothing move."""
    if region is None or region.any():
        return ()
    return ("the region is empty, so nothing may move: paint what should move, or disconnect it",)


class EstimateFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldEstimateFlow",
            display_name="Estimate Flow from Video",
            category=CATEGORY,
            **aliases("optical flow", "raft", "driving video", "motion from video"),
            description="Measures the motion in a video: one flow for each pair of neighbouring frames.",
            inputs=[
                io.Image.Input("images", tooltip="Frames of the video, in order. At least 2."),
                io.Combo.Input(
                    "method",
                    options=ESTIMATORS,
                    default="dis",
                    tooltip="dis: fast, needs no file (OpenCV). raft: more exact, slower, needs a file: "
                    "models/driftfield/raft_large.safetensors, or raft_large*.safetensors or raft_large*.pth in "
                    "models/optical_flow.",
                ),
                FlowModelSocket.Input(
                    "optical_flow_model",
                    optional=True,
                    tooltip="RAFT from ComfyUI's Load Optical Flow Model. If connected, it is used, and method is "
                    "ignored.",
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "flow",
                    display_name="flow",
                    tooltip="One flow for each pair of neighbouring frames, in pixels per frame.",
                )
            ],
        )

    @classmethod
    def execute(cls, images: Tensor, method: str, optical_flow_model: ModelPatcher | None = None) -> io.NodeOutput:
        frames = image_to_tensor(images, "images")
        report = progress()

        def on_step(done: int, total: int) -> None:
            report(done - 1, total)

        if optical_flow_model is not None:
            raft = load_core_model(optical_flow_model)
        elif choice(method, ESTIMATORS, "method") == "dis":
            return io.NodeOutput(Motion(estimate_flow(frames, on_step=on_step)))
        else:
            (raft,) = memory.load(load_raft())
        return io.NodeOutput(Motion(estimate_flow_raft(frames, raft, on_step=on_step)))


class MotionStrength(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldMotionStrength",
            display_name="Measure Motion Strength",
            category=CATEGORY,
            **aliases("motion amount", "optical flow magnitude"),
            description="Measures how much a flow moves, in percent: 100 is a mean of 1 pixel per frame at 512 px.",
            inputs=[OpticalFlowSocket.Input("flow", tooltip=FLOW)],
            outputs=[
                io.Float.Output(
                    "strength_percent",
                    display_name="strength",
                    tooltip="In percent, for motion_strength in Animate Image.",
                )
            ],
        )

    @classmethod
    def execute(cls, flow: Motion | Tensor) -> io.NodeOutput:
        percent = strength_percent(as_motion(flow).flow())
        return io.NodeOutput(percent, ui=ui.PreviewText(f"{percent:.0f} %"))


class PreviewFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldPreviewFlow",
            display_name="Preview Flow",
            category=CATEGORY,
            **aliases("show optical flow", "flow to image", "visualize flow"),
            description="Shows a flow as colours (Middlebury colour wheel), as small arrows on the image, or by moving "
            "the image along it.",
            is_output_node=True,
            inputs=[
                OpticalFlowSocket.Input("flow", tooltip=FLOW),
                io.Combo.Input(
                    "mode",
                    options=PREVIEWS,
                    default="color",
                    tooltip="color: the hue is the direction, white does not move. arrows: a grid of small arrows. "
                    "moving image: the frames that the model will be shown, without waiting for it.",
                ),
                io.Float.Input(
                    "max_px",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.1,
                    tooltip="Mode color: the speed that is shown in full colour, in pixels per frame. 0: the fastest "
                    "in this flow.",
                    **ADVANCED,
                ),
                io.Int.Input(
                    "spacing",
                    default=24,
                    min=4,
                    max=256,
                    tooltip="Mode arrows: distance between the arrows, in pixels.",
                    **ADVANCED,
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Mode arrows: the image under the arrows, exactly one. Grey if not connected. Mode moving "
                    "image: the image to move, has to be connected.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "preview",
                    display_name="preview",
                    tooltip="One image for each flow; in mode moving image, one for each frame.",
                )
            ],
        )

    @classmethod
    def execute(
        cls, flow: Motion | Tensor, mode: str, max_px: float, spacing: int, image: Tensor | None = None
    ) -> io.NodeOutput:
        motion = as_motion(flow)
        if choice(mode, PREVIEWS, "mode") == "moving image":
            if image is None:
                raise ValueError("image: not connected, allowed the image to move, for mode moving image")
            pictures = tensor_to_image(moved_still(single(image), motion))
            return io.NodeOutput(pictures, ui=echo(pictures))
        fields = motion.flow()
        if mode == "color":
            pictures = flow_to_color(fields, max_px=max_px or None)
        else:
            grey = torch.full((1, 3, *fields.shape[-2:]), 0.5)
            under = grey if image is None else (single(image) + 1) / 2
            pictures = torch.stack([draw_flow(under, field, spacing=spacing) for field in fields.split(1)])
        pictures = pictures.permute(0, 2, 3, 1)
        return io.NodeOutput(pictures, ui=echo(pictures))
