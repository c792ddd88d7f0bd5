"""What is measured: pictures with a region that should live, held-out but for the stream, and clips of fluids."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...flow_tools.living import CALM_WATER, CLOUDS, LEAVES, RUNNING_WATER, Living
from ...flow_tools.motion import Motion
from ...training.data.prepared_set import read, read_still, to_unit

SIDE = 256  # px of the longer side
WORKFLOW = Path(__file__).absolute().parents[2] / "workflows" / "living_input.jpg"

Box = tuple[float, float, float, float]  # left, top, right, bottom in 0..1


@dataclass(frozen=True)
class Scene:
    kind: str
    name: str  # of a still or a clip in the prepared set, or the living workflow's picture
    boxes: tuple[Box, ...]  # that live
    speed: tuple[float, float] = (0.0, 0.0)  # px/frame there

    def still(self, data: Path) -> Tensor:
        """[1, 3, H, W] −1..1."""
        if self.name == WORKFLOW.stem:
            pixels = read_still(WORKFLOW)
        elif (data / "stills" / f"{self.name}.webp").is_file():
            (pixels,) = read(data, "stills", [self.name])
        else:
            pixels = read(data, "clips", [self.name])[0][0]
        return small(to_unit(pixels)[None])

    def region(self, still: Tensor) -> Tensor:
        return region_of(self.boxes, still)

    def motion(self, still: Tensor, seed: int, frames: int) -> Motion:
        region = self.region(still)
        field = torch.tensor(self.speed).view(1, 2, 1, 1) * region
        return Motion(field, frames, living=(Living(region, self.kind, seed),))


SCENES = {
    "surf": Scene(RUNNING_WATER, "api_ltxv_text_to_video-1", ((0, 0.5, 1, 1),), (1.0, 0.3)),
    "stream": Scene(
        RUNNING_WATER,
        "video_wan2.1_fun_camera_v1.1_1.3B-1",
        ((0.36, 0.52, 0.46, 0.63), (0.56, 0.45, 0.68, 0.58)),
        (0, 0.8),
    ),
    "sea": Scene(RUNNING_WATER, "image_flux2-1", ((0, 0.34, 0.2, 0.6), (0.78, 0.34, 1, 0.6)), (0.5, 0.2)),
    "lake": Scene(CALM_WATER, WORKFLOW.stem, ((0, 0.79, 1, 1),)),
    "sky": Scene(CLOUDS, WORKFLOW.stem, ((0, 0, 1, 0.7),), (0.5, 0.0)),
    "clouds": Scene(CLOUDS, "api_meta_muse_image_image_edit-2", ((0, 0, 1, 0.27),), (0.6, 0.0)),
    "smoke": Scene(CLOUDS, "image_mage_flow_turbo_t2i_int8-1", ((0.1, 0.18, 0.98, 0.66),), (0.2, -0.4)),
    "flowers": Scene(LEAVES, "image_lens_t2i-1", ((0, 0, 1, 1),)),
    "grass": Scene(LEAVES, "api_topaz_image_enhance_wonder3_5-1", ((0, 0.36, 0.36, 0.66), (0.6, 0.3, 1, 0.8))),
}

REAL = {  # filmed, or made by a large model; the first two are held out
    "surf": ("api_ltxv_text_to_video-1", (0, 0.5, 1, 1)),
    "spray": ("api_pruna_p_video_t2v-1", (0, 0.75, 1, 1)),
    "wave": ("api_runway_aleph2_video_edit-1", (0, 0.42, 0.5, 1)),
}


def region_of(boxes: tuple[Box, ...], picture: Tensor) -> Tensor:
    """[1, 1, H, W] of 0 and 1, of a picture [..., H, W]."""
    height, width = picture.shape[-2:]
    region = torch.zeros(1, 1, height, width)
    for left, top, right, bottom in boxes:
        region[..., round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 1
    return region


def small(pictures: Tensor) -> Tensor:
    height, width = pictures.shape[-2:]
    scale = SIDE / max(height, width)
    return F.interpolate(pictures, size=(round(height * scale), round(width * scale)), mode="area")
