"""A flow fitted to what is in the picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..flow_tools.dense import default_sigma_px, restore_hints
from ..flow_tools.smooth import smooth
from ..flow_tools.sparse import Way
from ..model_loaders import memory
from ..model_loaders.refiner import Refiner


@torch.no_grad()
def refine(
    refiner: Refiner,
    flow: Tensor,
    image: Tensor | None,
    *,
    hints: tuple[Tensor, Tensor] | None = None,
    ways: Sequence[Way] | None = None,
    region: Tensor | None = None,
    on_step: Callable | None = None,
) -> Tensor:
    """flow [N, 2, H, W] px/frame and image [1, 3, H, W] −1..1 of the same size → refined flow, in main memory.

    The network's field is smoothed (`flow_tools.smooth`): it has the grid of its strides.
    hints: sparse flow [1 or N, 2, H, W] and its mask [1, 1, H, W] that the result keeps to, and that a refiner trained
    with hints sees; ways: as `restore_hints` has them. region [1, 1, H, W] 0..1 is applied last. A field that is zero
    everywhere stays exactly zero: no arrows, no motion. on_step(i, N) after each.
    """
    (network,) = memory.load(refiner.network)
    device = memory.device()
    picture = None if image is None or not network.config.image_conditioned else image.to(device)
    refined = []
    for i, field in enumerate(flow.split(1)):
        known = hints and (hints[0][i : i + 1] if len(hints[0]) > 1 else hints[0], hints[1])
        shown = tuple(part.to(device) for part in known) if known is not None and network.config.hints else None
        if field.count_nonzero() > 0:
            field = network(field.to(device), picture, shown).float().cpu()
            if not field.isfinite().all():
                raise ValueError(f"refiner {refiner.name}: NaN or infinity in the refined flow")
            field = smooth(field)
        if known is not None:
            led = ways and [replace(way, flow=way.flow[i : i + 1] if len(way.flow) > 1 else way.flow) for way in ways]
            field = restore_hints(field, *known, sigma_px=default_sigma_px(*field.shape[-2:]) / 4, ways=led)
        refined.append(field if region is None else field * region)
        if on_step is not None:
            on_step(i, len(flow))
    return torch.cat(refined)
