"""Photographs through the network: is the thing still there in the finished frames, as far as the autoencoder can?"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...flow_tools.motion import Motion
from ...model_loaders.animator import Animator
from ...pipeline.animate_still import animate_still
from ...pipeline.frames import frames_of
from ...pipeline.settings import Settings
from ..builtin.autoencoder import through_autoencoder
from ..host import PACK
from ..metrics.psnr import psnr_in
from ..output.contact_sheet import shown_frames, write_strip
from .page import FILES
from .scenes import SIDE, Mover, Scene
from .things import Thing, cut_out, extent, photographed

VECTORS = {  # of the side; 0.30 long
    "blue balloon": (-0.05, 0.296),
    "astronaut": (-0.3, 0.0),
    "kite": (-0.2, 0.224),
    "boat": (-0.257, -0.154),
}
DEMO = PACK / "workflows" / "example_input.jpg"  # the blue balloon's still
SOLID = 0.9  # of an alpha


def photographs(things: dict[str, Thing], stills: dict[str, np.ndarray]) -> dict[str, Scene]:
    """A thing where it is in its own still, and an arrow; what is behind it is not known."""
    own = photographed()
    files = {"blue balloon": DEMO} | {name: PACK / thing.still for name, thing in own.items()}
    found = {}
    for name, vector in VECTORS.items():
        thing = (things | own)[name]
        still = read(files[name]) if name in files else stills[thing.still]
        low, high = extent(thing)
        cutout = cut_out(thing, still, float((high - low).max()) * SIDE)
        middle = (low + high) / 2 * SIDE
        path = np.stack([middle, middle + np.array(vector) * SIDE])
        small = cv2.resize(still, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        background = torch.from_numpy(small * 2 - 1).permute(2, 0, 1)[None].float()
        found[name] = Scene(name, "photograph", background, (Mover(name, cutout, middle, path),))
    return found


def read(file: Path) -> np.ndarray:
    """[h, w, 3] 0..1."""
    return cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255


def figures(
    animator: Animator,
    scenes: dict[str, Scene],
    motion_of: Callable[[Scene, int], Motion],
    keys: list[str],
    arguments: Namespace,
) -> Iterator[dict]:
    """Of "name, seed n" each: dB on the thing, of all frames but the first.

    "final": finished frames against the thing moved as a whole; "network": without the still's detail put back;
    "autoencoder": the moved thing encoded and decoded, against itself.
    """
    for key in keys:
        name, _, seed = key.partition(", seed ")
        scene, frames = scenes[name], arguments.frames
        truth, alpha = scene.frames(np.linspace(0, 1, frames))
        where = alpha > SOLID

        def on_it(video: Tensor, truth: Tensor = truth, where: Tensor = where) -> float:
            return psnr_in(video[1:], truth[1:], where[1:])

        settings = Settings(seed=int(seed), steps=arguments.steps, frames=frames)
        animation = animate_still(animator, scene.still(), motion_of(scene, frames), settings)
        final, alone = (torch.cat([*frames_of(animation, detail=detail)]).clamp(-1, 1) for detail in (1.0, 0.0))
        coded = through_autoencoder(animator, truth)
        row = {"final": on_it(final), "network": on_it(alone), "autoencoder": on_it(coded)}
        write_strip(strip_file(arguments, key), f"{key}: {words(row)}", shown_frames(final))
        yield row


def strip_file(arguments: Namespace, key: str) -> Path:
    return arguments.work / FILES[arguments.mode] / f"{key}.png"


def words(row: dict) -> str:
    return ", ".join(f"{name} {value:.1f} dB" for name, value in row.items())
