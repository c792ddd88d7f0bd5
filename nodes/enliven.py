"""Water, clouds and leaves that live."""

from dataclasses import replace

import torch
from comfy_api.latest import io
from torch import Tensor

from ..flow_tools.convention import mask_to_tensor
from ..flow_tools.living import KINDS, RUNNING_WATER, Living, soft
from ..flow_tools.motion import Motion, as_motion
from .flow import CATEGORY, FLOW, emptiness
from .types import ADVANCED, LARGEST_SEED, OpticalFlowSocket, aliases, choice

AUTOMATIC = -1.0  # an amplitude
LEVEL = 1 / 255  # less of a region does not live


class Enliven(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldEnliven",
            display_name="Enliven",
            category=CATEGORY,
            **aliases("water", "clouds", "smoke", "leaves", "grass", "ripples", "wind", "living texture", "curl noise"),
            description="Makes water, clouds, smoke or leaves in a region move by themselves, over and over without a "
            "jump. An arrow's flow carries water and clouds along; without one they only ripple. One node for each "
            "region, one after the other.",
            inputs=[
                io.Mask.Input(
                    "region",
                    tooltip="What lives: white in this mask, or painted in Draw Motion Arrows. Leave out posts, the "
                    "shore and whatever stands still; objects lie above. If nothing is painted, everything lives.",
                ),
                io.Combo.Input(
                    "kind",
                    options=list(KINDS),
                    default=RUNNING_WATER,
                    tooltip="running water: a stream or the sea, in eddies. calm water: a lake, in flat ripples. "
                    "clouds or smoke: large, slow eddies. leaves or grass: they sway in the wind and stay rooted.",
                ),
                io.Float.Input(
                    "amplitude",
                    default=AUTOMATIC,
                    min=AUTOMATIC,
                    max=16.0,
                    step=0.05,
                    tooltip="How strongly it moves by itself. Water and clouds: pixels per frame; leaves: pixels; both "
                    "in a picture of 256 px, more in a larger one. 0: only along the flow. -1: as usual for the kind, "
                    "0.9, 0.5, 0.4 and 3.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=LARGEST_SEED,
                    control_after_generate=True,
                    tooltip="Another seed is other eddies or another wind. The same seed is the same motion.",
                ),
                OpticalFlowSocket.Input(
                    "flow",
                    optional=True,
                    tooltip="From Densify Flow, Refine Flow or another Enliven: where the water or the clouds go. If "
                    "not connected, nothing but the region moves.",
                ),
                io.Float.Input(
                    "size",
                    optional=True,
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How large an eddy or a swaying tuft is: a share of the longer side. 0: as usual for the "
                    "kind, 0.145, 0.09, 0.19 and 0.14.",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "period",
                    optional=True,
                    default=0.0,
                    min=0.0,
                    max=1024.0,
                    step=0.5,
                    tooltip="In how many frames an eddy or a gust comes and goes. A segment holds a whole number of "
                    "them. 0: as usual for the kind, 12.5, clouds 25.",
                    **ADVANCED,
                ),
                io.Float.Input(
                    "reset",
                    optional=True,
                    default=0.0,
                    min=0.0,
                    max=1024.0,
                    step=0.5,
                    tooltip="After how many frames the texture begins again from the picture, unseen. Shorter: nothing "
                    "is drawn out, but it flows less far. Made to fit as period. 0: 25, and 12.5 where the flow is "
                    "fast. Leaves do not use it.",
                    **ADVANCED,
                ),
            ],
            outputs=[
                OpticalFlowSocket.Output(
                    "living_flow", display_name="flow", tooltip=f"{FLOW} With the region that lives."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        region: Tensor,
        kind: str,
        amplitude: float,
        seed: int,
        flow: Motion | Tensor | None = None,
        size: float = 0.0,
        period: float = 0.0,
        reset: float = 0.0,
    ) -> io.NodeOutput:
        mask = mask_to_tensor(region, "region")
        motion = Motion(torch.zeros(1, 2, *mask.shape[-2:])) if flow is None else as_motion(flow)
        living = Living(
            mask,
            choice(kind, list(KINDS), "kind"),
            seed,
            amplitude=own("amplitude", amplitude, 0, 16, usual=AUTOMATIC),
            size=own("size", size, 0.01, 1),
            period=own("period", period, 0.5, 1024),
            reset=own("reset", reset, 0.5, 1024),
        )
        enlivened = replace(motion, living=(*motion.living, living))
        return io.NodeOutput(enlivened.with_field(motion.field, *(emptiness(mask) or thinness(mask))))


def own(name: str, value: float, least: float, most: float, *, usual: float = 0.0) -> float | None:
    """The value of a widget; None: as usual for the kind. ValueError beyond least..most, where a linked one may be."""
    if value == usual:
        return None
    if not least <= value <= most:
        raise ValueError(f"{name}: got {value}, allowed {usual:g} (as usual for the kind), or {least:g}..{most:g}")
    return value


def thinness(region: Tensor) -> tuple[str, ...]:
    """A note where the region [1, 1, H, W] is nowhere white and wide enough to live."""
    if soft(region).max() > LEVEL:
        return ()
    return ("the region is grey or a thin line, so nothing in it lives: paint it white, and wider",)
