"""What the editor's preview shows of objects is what the pipeline makes of them: fields, and pictures."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from driftfield.flow_tools.arrows import Arrow, parse_arrows
from driftfield.flow_tools.beyond import continued, margin_of
from driftfield.flow_tools.convention import crop_padding
from driftfield.flow_tools.layers import split
from driftfield.flow_tools.motion import Motion, dense_motion, sparse_motion
from driftfield.flow_tools.objects import Object
from driftfield.flow_tools.warp import accumulate_backward, reference_video

HERE = Path(__file__).absolute().parent
WIDTH, HEIGHT, FRAMES, SIGMA = 96, 61, 14, 12
MOST_FIELD = 1e-3  # px/frame
MOST_PICTURE = 2  # of 255


def disc(x: float, y: float, radius: float) -> np.ndarray:
    column, row = np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[:, None] + 0.5
    return np.hypot(column - x, row - y) <= radius


MASKS = [disc(30, 20, 11), disc(36, 30, 9), disc(70, 40, 14), disc(5, 55, 8)]


def arrow(*points, **more) -> dict:
    return {"points": points, "strength": 1.0, **more}


WATER = [arrow([0.2, 0.9], [0.5, 0.85]), arrow([0.9, 0.1])]
ALONG = [arrow([0.3, 0.3], [0.6, 0.25], [0.5, 0.7], object=1, strength=1.3)]
TURN = [arrow([0.7, 0.5], [0.8, 0.7], [0.6, 0.9], object=3, timing="ease"), arrow([0.73, 0.66], object=3)]
TWO = [arrow([0.35, 0.45], [0.6, 0.3], object=2), arrow([0.4, 0.55], [0.5, 0.8], object=2, strength=0.7)]
INWARD = [arrow([0.03, 0.5], [0.35, 0.45]), arrow([0.6, 0.98], [0.65, 0.8])]
PINNED = [arrow([0.7, 0.5], [0.8, 0.5], object=3), arrow([0.65, 0.7], object=3), arrow([0.8, 0.75], object=3)]
CASES = {
    "along a curve": WATER + ALONG,
    "round a pin": WATER + TURN,
    "two arrows": TWO,
    "pins and an arrow": PINNED + WATER,
    "an arrow through its pin": [arrow([0.7, 0.5], [0.73, 0.66], [0.8, 0.9], object=3), arrow([0.73, 0.66], object=3)],
    "an arrow of no length is a pin": [*PINNED[:1], arrow([0.6, 0.6], [0.6, 0.6], object=3)],
    "nothing but pins": [arrow([0.7, 0.6], object=3), *WATER],
    "nothing but pins, and nothing flows": [arrow([0.7, 0.6], object=3)],
    "nothing but pins, and another passes": [arrow([0.7, 0.6], object=3), *ALONG],
    "nothing but pins, and another leaves them": [arrow([0.38, 0.5], object=2), *ALONG],
    "nothing but pins, and another passes behind": [
        arrow([0.05, 0.9], object=4),
        arrow([0.7, 0.6], [0.1, 0.8], object=3),
    ],
    "arrows that shrink it to nothing": [
        arrow([0.6, 0.6], [0.7, 0.6], object=3),
        arrow([0.8, 0.6], [0.7, 0.6], object=3),
    ],
    "swaying": [*WATER, arrow([0.05, 0.9], [0.3, 0.6], object=4, timing="sway")],
    "areas at their own pace": [
        {**WATER[0], "timing": "sway"},
        {**WATER[1]},
        arrow([0.6, 0.2], [0.7, 0.3], timing="ease"),
    ],
    "all at once": WATER + ALONG + TWO + TURN,
    "in over the border": INWARD,
    "in over the border, with an object": INWARD + ALONG,
    "in over the border at their own pace": [{**entry, "timing": "sway"} for entry in INWARD],
    "in over two borders by half the picture": [arrow([0.9, 0.05], [0.5, 0.6], strength=1.5)],
}


@pytest.fixture(scope="module")
def apart(comfy_base):
    """Takes a picture with its motion apart, as the pipeline does."""
    from driftfield.pipeline.composition import take_apart
    from driftfield.pipeline.still import prepare_still

    return lambda picture, motion: take_apart(prepare_still(picture), motion, frames=FRAMES, loop=False)


def in_the_browser(cases: list[dict], count: int) -> list[np.ndarray]:
    """[count] of each case; see motion_values.mjs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    ran = subprocess.run([node, HERE / "motion_values.mjs"], input=json.dumps(cases).encode(), capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    return list(np.frombuffer(ran.stdout, np.float32).reshape(len(cases), count))


def used_in(arrows: list[dict]) -> list[int]:
    """Numbers of the objects that the arrows move, as the editor asks for their layers: without the others."""
    return sorted({entry["object"] for entry in arrows if "object" in entry})


def given(arrows: list[dict], t: int, mode: str) -> dict:
    used = used_in(arrows)
    arrows = [{**entry, "object": used.index(entry["object"]) + 1} if "object" in entry else entry for entry in arrows]
    shown = [MASKS[number - 1].astype(int).ravel().tolist() for number in used]
    masks = [{"width": WIDTH, "height": HEIGHT, "data": data} for data in shown]
    grid = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES, "sigma": SIGMA, "threshold": 0.05, "mode": mode}
    return {"arrows": arrows, "masks": masks, "t": t, **grid}


def motion_of(arrows: list[dict], mode: str):
    runs = []
    for mask in MASKS:
        changes = np.flatnonzero(np.diff(mask.ravel().astype(int), prepend=0))
        runs.append(np.diff([0, *changes, mask.size]).tolist())
    objects = [{"size": [WIDTH, HEIGHT], "runs": lengths} for lengths in runs]
    text = json.dumps({"version": 2, "arrows": arrows, "objects": objects})
    read = parse_arrows(text, width=WIDTH, height=HEIGHT)
    motion, hints = sparse_motion(read, height=HEIGHT, width=WIDTH, frames=FRAMES)
    return dense_motion(motion, hints, sigma_px=SIGMA, mode=mode)


@pytest.mark.parametrize("mode", ["followed", "faded"])
@pytest.mark.parametrize("t", [0, 5, FRAMES - 2])
def test_the_exact_field_of_a_frame_is_pythons(t, mode):
    cases = [given(arrows, t, mode) for arrows in CASES.values()]
    found, worst, fastest = in_the_browser(cases, 2 * WIDTH * HEIGHT), 0, 0
    for (name, arrows), field in zip(CASES.items(), found, strict=True):
        expected = motion_of(arrows, mode).flow()
        expected = expected[min(t, len(expected) - 1)].numpy()
        off = np.abs(field.reshape(expected.shape) - expected).max(axis=0)
        assert np.abs(expected).max() > 0.1 or name.endswith("nothing flows"), name
        assert (off > MOST_FIELD).sum() <= 2, (name, off.max())  # a pixel on the very edge may be either
        worst, fastest = max(worst, off[off <= MOST_FIELD].max()), max(fastest, np.abs(expected).max())
    print(f"frame {t}: at most {worst:.1g} px/frame off, of {fastest:.1f}")


@pytest.mark.parametrize("mode", ["followed", "faded"])
@pytest.mark.parametrize("t", [1, 6, FRAMES - 1])
def test_the_picture_of_a_frame_is_pythons(t, mode, apart):
    column, row = torch.arange(WIDTH) / WIDTH, torch.arange(HEIGHT)[:, None] / HEIGHT
    waves = [torch.sin(9 * column + 5 * row), torch.cos(14 * row - 3 * column), (column - row).expand(HEIGHT, WIDTH)]
    picture = torch.stack([wave * 0.6 for wave in waves])[None]
    for mask, colour in zip(MASKS, ((0.9, -0.5, 0.1), (-0.8, 0.9, 0.2), (0.3, 0.3, -0.9), (1, 1, 1)), strict=True):
        picture = torch.where(torch.from_numpy(mask), torch.tensor(colour).view(1, 3, 1, 1), picture)
    picture = (picture + 0.05 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(3))).clamp(-1, 1)
    picture = (picture * 127.5).round() / 127.5
    cases, frames = [], []
    for name, arrows in CASES.items():
        motion = motion_of(arrows, mode)
        made = apart(picture, motion)
        if made is None:
            layers, shown = split(picture, []), reference_video(picture, motion.field, FRAMES)
        else:
            layers, shown = made.layers, crop_padding(made.segment().pictures, made.still.padding)
        frames.append((name, shown[t].permute(1, 2, 0).numpy()))
        margin = margin_of(accumulate_backward(motion.field, FRAMES))
        assert any(margin) or not name.startswith("in over"), name
        plate = as_bytes(continued(layers.plate, margin, layers.hole))
        objects = [straight(cutout) for cutout in layers.cutouts]
        shown = {"plate": plate, "objects": objects, "still": as_bytes(picture)}
        cases.append({**given(arrows, t, mode), "layers": shown})
    worst = 0
    for (name, expected), found in zip(frames, in_the_browser(cases, 4 * WIDTH * HEIGHT), strict=True):
        off = np.abs(found.reshape(HEIGHT, WIDTH, 4)[..., :3] - (expected + 1) * 127.5)
        assert off.max() <= MOST_PICTURE, (name, off.max())
        worst = max(worst, off.max())
    print(f"frame {t}: at most {worst:.2f} of 255 off")


def test_where_a_thing_stands_alone_is_pythons(apart):
    wide = torch.nn.functional.interpolate(torch.from_numpy(np.stack(MASKS))[None].float(), scale_factor=4)[0] > 0.5
    height, width = wide.shape[1:]
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(3))
    picture = torch.where(wide.any(0), 0.8, -0.6) + 0.05 * noise
    pin, other = Arrow("p", ((0.4, 0.5),)), Arrow("a", ((0.3, 0.3), (0.6, 0.3)))
    objects = [Object(wide[number][None, None].float(), (each,)) for number, each in ((1, pin), (0, other))]
    motion = Motion(torch.zeros(1, 2, height, width), FRAMES, objects=tuple(objects))
    made = apart(picture, motion)
    case = given([arrow(*pin.points, object=1), arrow(*other.points, object=2)], None, "followed")
    masks = [{"width": width, "height": height, "data": wide[number].int().flatten().tolist()} for number in (1, 0)]
    same, objects = as_bytes(picture), [straight(cutout) for cutout in made.layers.cutouts]
    case |= {"width": width, "height": height, "masks": masks}
    case["layers"] = {"plate": as_bytes(made.layers.plate), "still": same, "objects": objects}
    (found,) = in_the_browser([case], 4 * width * height)
    expected = 127.5 * made.held[0].permute(1, 2, 0).numpy()
    assert (np.abs(expected) > 5).sum() > 500
    assert np.abs(found.reshape(height, width, 4)[..., :3] - expected).max() <= MOST_PICTURE


def as_bytes(colours: torch.Tensor, alpha: torch.Tensor | None = None) -> list[int]:
    """RGBA bytes, straight, of colours [1, 3, H, W] −1..1 and alpha [1, 1, H, W]."""
    alpha = torch.ones_like(colours[:, :1]) if alpha is None else alpha
    rgba = torch.cat([(colours + 1) / 2, alpha], dim=1)[0].permute(1, 2, 0)
    return (rgba.clamp(0, 1) * 255).round().int().ravel().tolist()


def straight(cutout: torch.Tensor) -> list[int]:
    alpha = cutout[:, 3:]
    return as_bytes(cutout[:, :3] / alpha.where(alpha > 0, 1), alpha)
