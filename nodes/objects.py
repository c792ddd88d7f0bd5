"""Masks of things, gathered."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ..flow_tools.convention import MAX_MASKS, masks_to_tensors
from ..flow_tools.objects import fitted
from .arrows import CATEGORY
from .types import aliases


class GatherObjects(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DriftfieldGatherObjects",
            display_name="Gather Objects",
            category=CATEGORY,
            **aliases("mask list to batch", "join masks", "sam", "segment"),
            description="Puts masks that come one after the other into one batch, one for each thing, for the objects "
            "input of Arrows to Sparse Flow. SAM3 Detect gives such masks for the tails of Draw Motion Arrows.",
            is_input_list=True,
            inputs=[
                io.Mask.Input(
                    "masks",
                    tooltip="Masks in a list, from a node that runs once for each arrow. Several masks that come "
                    "together are joined: they are parts of one thing.",
                )
            ],
            outputs=[
                io.Mask.Output(
                    "objects",
                    display_name="objects",
                    tooltip="One mask for each thing, in the same order, all of the first one's size.",
                )
            ],
        )

    @classmethod
    def execute(cls, masks: list[Tensor]) -> io.NodeOutput:
        if not 1 <= len(masks) <= MAX_MASKS:
            raise ValueError(f"masks: got {len(masks)} in the list, allowed 1..{MAX_MASKS}, one for each thing")
        found = []
        for i, parts in enumerate(masks):
            if isinstance(parts, Tensor) and len(parts) == 0 and parts.ndim == 3:
                parts = torch.zeros(1, *parts.shape[1:])  # nothing was found: the thing's place in the order stays
            whole = torch.cat(masks_to_tensors(parts, f"masks, {i + 1} of {len(masks)}")).amax(0, keepdim=True)
            found.append(whole if not found else fitted(whole, found[0]))
        return io.NodeOutput(torch.cat(found)[:, 0])
