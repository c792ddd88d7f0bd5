"""Arrows, and the sparse flow they stand for."""

import torch
import torch.nn.functional as F
from comfy_api.latest import io, ui
from torch import Tensor

from ..flow_tools.arrows import MotionArrows, join_arrows, parse_arrows
from ..flow_tools.color import draw_arrows
from ..flow_tools.interop import arrows_from_tracks, arrows_to_coord_str, arrows_to_tracks
from ..flow_tools.motion import Motion
from ..flow_tools.region import parse_region
from ..flow_tools.sparse import sparse_flow
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
            description="Arrows on a still: what is at the tail travels to the head by the last frame. One point "
            "alone is a pin: what is there stays.",
            inputs=[
                io.Image.Input("image", tooltip="The still that will be animated, exactly one."),
                io.String.Input(
                    "arrows",
                    multiline=True,
                    default="",
                    placeholder=EXAMPLE,
                    dynamic_prompts=False,
                    tooltip="Arrows as JSON: points are [x, y] in 0..1 of the image, tail first; strength multiplies "
                    'the distance. KJNodes coordinates such as [[{"x":12,"y":34},{"x":90,"y":34}]] in pixels work too. '
                    "Empty: no arrows, a still video. The region that is painted in the editor is kept here, too.",
                ),
                io.String.Input(
                    "coordinates",
                    optional=True,
                    force_input=True,
                    tooltip="More arrows, from a node that gives coordinates as a STRING (KJNodes spline editor): "
                    "pixels of the image, or numbers in 0..1, which count as shares of it. Several texts as a list "
                    "work too.",
                ),
                TracksSocket.Input(
                    "tracks",
                    optional=True,
                    tooltip="More arrows, from tracks: pixels of the image, one curved arrow for each track.",
                ),
            ],
            outputs=[
                MotionArrowsSocket.Output("motion_arrows", display_name="arrows"),
                io.Image.Output("preview", display_name="preview", tooltip="The still with the arrows drawn over it."),
                io.String.Output(
                    "coord_str",
                    display_name="coordinates",
                    tooltip="The arrows as KJNodes coordinates, in pixels of the image.",
                ),
                io.Mask.Output(
                    "region",
                    display_name="region",
                    tooltip="White where the editor's brush lets things move, for Densify Flow. All white where "
                    "nothing is painted.",
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
        return io.NodeOutput(joined, preview, arrows_to_coord_str(joined), region, ui=shown)


class ArrowsToSparseFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldArrowsToSparseFlow",
            display_name="Arrows to Sparse Flow",
            category=CATEGORY,
            **aliases("sparse optical flow", "trajectory to flow"),
            description="Optical flow known only where an arrow starts (paper, eq. 5), and the mask of where that is.",
            inputs=[
                MotionArrowsSocket.Input(
                    "motion_arrows", display_name="arrows", tooltip="Arrows from Draw Motion Arrows."
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of the field in pixels. 0: the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of the field in pixels. 0: the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "frames",
                    default=25,
                    min=2,
                    max=1024,
                    tooltip="Frames in which an arrow's head is reached: the frames of one segment, as in Animate "
                    "Image (25 for the built-in model and SVD-XT, 14 for SVD).",
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "sparse_flow", display_name="sparse flow", tooltip="One field that holds for every frame, px/frame."
                ),
                io.Mask.Output(
                    "hints",
                    display_name="hints",
                    tooltip="More than 0 where an arrow or a pin says something; 1 for all of a straight one.",
                ),
            ],
        )

    @classmethod
    def execute(cls, motion_arrows: MotionArrows, width: int, height: int, frames: int) -> io.NodeOutput:
        flow, hints = sparse_flow(
            motion_arrows, height=height or motion_arrows.height, width=width or motion_arrows.width, frames=frames
        )
        return io.NodeOutput(Motion(flow, frames, motion_arrows.notes), hints[:, 0])


class ArrowsToTracks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldArrowsToTracks",
            display_name="Arrows to Tracks",
            category=CATEGORY,
            **aliases("trajectory", "motion tracks", "wan move", "coordinates", "ATI"),
            description="Arrows as point tracks with one point a frame, for other nodes that animate along tracks.",
            inputs=[
                MotionArrowsSocket.Input(
                    "motion_arrows", display_name="arrows", tooltip="Arrows from Draw Motion Arrows."
                ),
                io.Int.Input(
                    "frames",
                    default=81,
                    min=2,
                    max=1024,
                    tooltip="Points of each track, one a frame: the length of the video that follows the tracks. 121 "
                    "for WanTrackToVideo, which reads 121 whatever its own length is.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Width of that video in pixels. 0: the image the arrows were drawn on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Height of that video in pixels. 0: the image the arrows were drawn on.",
                ),
            ],
            outputs=[
                TracksSocket.Output(
                    "tracks",
                    display_name="tracks",
                    tooltip="Where each arrow's tail is at each frame; invisible once it has left the image.",
                ),
                io.String.Output(
                    "coordinates",
                    display_name="coordinates",
                    tooltip="The same as text, all of one length: one flat list of points where there is one arrow, "
                    "else a list of lists.",
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
