"""Arrows, and the sparse flow they stand for."""

import torch
import torch.nn.functional as F
from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.arrows import MotionArrows, join_arrows, parse_arrows
from ..flow_tools.color import draw_arrows
from ..flow_tools.convention import masks_to_tensors
from ..flow_tools.interop import arrows_from_tracks, arrows_to_coord_str, arrows_to_prompts, arrows_to_tracks
from ..flow_tools.motion import sparse_motion
from ..flow_tools.region import parse_region
from .types import (
    MotionArrowsSocket,
    OpticalFlowSocket,
    TracksSocket,
    aliases,
    single,
)

CATEGORY = "Driftfield/arrows"
EXAMPLE = '{"version":1,"ref":[256,256],"arrows":[{"id":"a1","points":[[0.3,0.6],[0.5,0.6]],"strength":1.0}]}'


class DrawMotionArrows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldDrawMotionArrows",
            display_name="Draw Motion Arrows",
            category=CATEGORY,
            **aliases("arrow editor", "motion brush", "drag", "trajectory", "draw arrows"),
            description="Draw arrows on an image. What is at an arrow's tail moves to its head by the last frame. A "
            "single point is a pin: it keeps its place still.",
            inputs=[
                io.Image.Input("image", tooltip="The image to animate. Exactly one, not a batch."),
                io.String.Input(
                    "arrows",
                    multiline=True,
                    default="",
                    placeholder=EXAMPLE,
                    dynamic_prompts=False,
                    tooltip="The arrows as JSON; the editor writes it. Points are [x, y] from 0 to 1, tail first; "
                    "strength multiplies the distance. KJNodes coordinates in pixels work too: "
                    '[[{"x":12,"y":34},{"x":90,"y":34}]]. Empty: no arrows, nothing moves. The painted region is '
                    "saved here as well.",
                ),
                io.String.Input(
                    "coordinates",
                    optional=True,
                    force_input=True,
                    tooltip="More arrows as text, for example from KJNodes' Spline Editor: in pixels, or from 0 to 1 "
                    "as fractions of the image's width and height. A list of texts works too.",
                ),
                TracksSocket.Input(
                    "tracks",
                    optional=True,
                    tooltip="More arrows from tracks, in pixels. Each track becomes one curved arrow.",
                ),
            ],
            outputs=[
                MotionArrowsSocket.Output("motion_arrows", display_name="arrows"),
                io.Image.Output("preview", display_name="preview", tooltip="The image with the arrows drawn on it."),
                io.String.Output(
                    "coord_str",
                    display_name="coordinates",
                    tooltip="The arrows as KJNodes coordinates, in pixels of the image.",
                ),
                io.Mask.Output(
                    "region",
                    display_name="region",
                    tooltip="The painted region: white may move, black stays. All white if nothing is painted. For "
                    "Densify Flow, Refine Flow and Enliven.",
                ),
                io.String.Output(
                    "tails",
                    display_name="tails",
                    is_output_list=True,
                    tooltip="Where each arrow begins, in pixels: a list of texts, one for each arrow that is no pin. "
                    "For positive_coords of SAM3 Detect, which then runs once for each arrow.",
                ),
                io.String.Output(
                    "pins",
                    display_name="pins",
                    tooltip="All pins in one text, in pixels. For negative_coords of SAM3 Detect.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        arrows: str,
        coordinates: str | list[str] | None = None,
        tracks: dict[str, Tensor] | None = None,
    ) -> io.NodeOutput:
        picture = (single(image) + 1) / 2
        height, width = picture.shape[-2:]
        found = [parse_arrows(arrows, width=width, height=height)]
        if coordinates is not None:
            texts = coordinates if isinstance(coordinates, list | tuple) else [coordinates]
            found += [parse_arrows(text, width=width, height=height) for text in texts]
        if tracks is not None:
            found.append(arrows_from_tracks(tracks, width=width, height=height))
        joined = join_arrows(found)
        preview = draw_arrows(picture, joined).permute(1, 2, 0)[None]
        region = parse_region(arrows)
        region = torch.ones(1, 1, 1, 1) if region is None else region
        region = F.interpolate(region, size=(height, width), mode="bilinear")[:, 0]
        shown = echo(preview, "\n".join(joined.notes)) | {"driftfield_still": saved(picture.permute(0, 2, 3, 1))}
        return io.NodeOutput(joined, preview, arrows_to_coord_str(joined), region, *arrows_to_prompts(joined), ui=shown)


class ArrowsToSparseFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldArrowsToSparseFlow",
            display_name="Arrows to Sparse Flow",
            category=CATEGORY,
            **aliases("sparse optical flow", "trajectory to flow"),
            description="Turns arrows into optical flow that is known only at the arrows and pins. Densify Flow fills "
            "in the rest.",
            inputs=[
                MotionArrowsSocket.Input("motion_arrows", display_name="arrows", tooltip="From Draw Motion Arrows."),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of the flow in pixels. 0: that of the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of the flow in pixels. 0: that of the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "frames",
                    default=25,
                    min=2,
                    max=1024,
                    tooltip="In how many frames an arrow's head is reached. Use as many as Animate Image makes: 25 "
                    "with the built-in model and SVD-XT, 14 with SVD.",
                ),
                io.Mask.Input(
                    "objects",
                    optional=True,
                    tooltip="Masks of things that move as wholes, from any node: one mask each, later ones lie above. "
                    "As many masks as arrows: the first mask belongs to the first arrow, and so on. Otherwise an arrow "
                    "moves the mask it begins in. Things painted in the editor need nothing here.",
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "sparse_flow",
                    display_name="sparse flow",
                    tooltip="Flow in pixels per frame, 0 where no arrow is, and the things that move as wholes.",
                ),
                io.Mask.Output(
                    "hints",
                    display_name="hints",
                    tooltip="Mask of where the flow is known: above 0 at arrows and pins, 0 elsewhere.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, motion_arrows: MotionArrows, width: int, height: int, frames: int, objects: Tensor | None = None
    ) -> io.NodeOutput:
        motion, hints = sparse_motion(
            motion_arrows,
            height=height or motion_arrows.height,
            width=width or motion_arrows.width,
            frames=frames,
            masks=() if objects is None else masks_to_tensors(objects, "objects"),
        )
        return io.NodeOutput(motion, hints[:, 0])


class ArrowsToTracks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldArrowsToTracks",
            display_name="Arrows to Tracks",
            category=CATEGORY,
            **aliases("trajectory", "motion tracks", "wan move", "coordinates", "ATI"),
            description="Turns arrows into tracks with one point per frame, for other nodes that animate along tracks "
            "(Wan Move, WanTrackToVideo, KJNodes).",
            inputs=[
                MotionArrowsSocket.Input("motion_arrows", display_name="arrows", tooltip="From Draw Motion Arrows."),
                io.Int.Input(
                    "frames",
                    default=81,
                    min=2,
                    max=1024,
                    tooltip="Points in each track, one per frame: the length of the video that follows the tracks. "
                    "For WanTrackToVideo use 121, it always reads 121 points.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of that video in pixels. 0: that of the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of that video in pixels. 0: that of the image the arrows were drawn on.",
                ),
            ],
            outputs=[
                TracksSocket.Output(
                    "tracks",
                    display_name="tracks",
                    tooltip="The position of each arrow at every frame. A track that has left the image is marked as "
                    "not visible.",
                ),
                io.String.Output(
                    "coordinates",
                    display_name="coordinates",
                    tooltip="The same positions as text: a list of points for one arrow, a list of lists for more. "
                    "All tracks have the same length.",
                ),
            ],
        )

    @classmethod
    def execute(cls, motion_arrows: MotionArrows, frames: int, width: int = 0, height: int = 0) -> io.NodeOutput:
        return io.NodeOutput(*arrows_to_tracks(motion_arrows, frames=frames, width=width, height=height))


def echo(images: Tensor, text: str = "") -> dict:
    """Pictures [B, H, W, 3] 0..1 shown on the node itself, with text under them where there is any."""
    return {"images": saved(images), "animated": (False,)} | ({"text": (text,)} if text else {})


def saved(images: Tensor) -> list:
    """Where in ComfyUI's temporary folder pictures [B, H, W, 3] 0..1 lie now, as the front end expects it."""
    return ui.ImageSaveHelper.save_images(images, "driftfield", io.FolderType.temp, cls=None, compress_level=1)
