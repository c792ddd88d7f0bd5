"""The held-out stills of the prepared set."""

from argparse import Namespace

import torch.nn.functional as F
from torch import Tensor

from ..training.data import load, to_unit


def held_out_stills(arguments: Namespace, size: int) -> list[tuple[str, Tensor]]:
    """(name, picture [1, 3, size, size] -1..1) of arguments.stills pictures in arguments.data, spread over all names.

    ValueError where there are fewer.
    """
    names, stills = load(arguments.data, "stills", "held_out")
    if not 1 <= arguments.stills <= len(names):
        raise ValueError(f"--stills: got {arguments.stills}, allowed 1 to the {len(names)} in {arguments.data}")
    chosen = sorted(range(len(names)), key=names.__getitem__)
    chosen = [chosen[i * len(names) // arguments.stills] for i in range(arguments.stills)]
    return [(names[i], F.interpolate(to_unit(stills[i])[None], size=(size, size), mode="area")) for i in chosen]
