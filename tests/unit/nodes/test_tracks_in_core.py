"""Tracks of arrows in core's own nodes for Wan-Move and ATI: what they tell the model lies where the arrows lead."""

import importlib
import os

import pytest
import torch

from driftfield.flow_tools.arrows import Arrow, MotionArrows

SIZE, FRAMES = 64, 13  # latents [16, 4, 8, 8]
RIGHT, LEFT = ((0.1, 0.3), (0.9, 0.3)), ((0.9, 0.7), (0.3, 0.7))


@pytest.fixture(scope="module")
def core(comfy_base):
    """(a VAE, a tiny Wan, its two conditionings)."""
    import comfy.sd
    import tiny_native

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(os.environ["COMFYUI_DIR"])  # its module `nodes`, not the folder of the pack
        importlib.import_module("nodes")
    conds = [tiny_native.conditioning("wan", seed=seed) for seed in (0, 1)]
    return comfy.sd.VAE(sd=tiny_native.vae_weights()), tiny_native.load("wan"), conds


@pytest.fixture
def tracked(node_classes):
    """(TRACKS, coordinates) of arrows from Arrows to Tracks."""
    node = {node.__name__: node for node in node_classes}["ArrowsToTracks"]

    def run(*paths, frames=FRAMES):
        arrows = tuple(Arrow(f"a{i}", path) for i, path in enumerate(paths))
        return node.execute(MotionArrows(arrows, 2 * SIZE, 2 * SIZE), frames, SIZE, SIZE).result

    return run


def in_core(name, core, image, tracks):
    """A conditioning of core's node, what it has concatenated, and the mask of that."""
    vae, _, conds = core
    if name == "ATI":
        from comfy_extras.nodes_wan import WanTrackToVideo

        options = {"tracks": tracks[1], "temperature": 220.0, "topk": 2}
        node = WanTrackToVideo
    else:
        node = pytest.importorskip("comfy_extras.nodes_wanmove").WanMoveTrackToVideo
        options = {"tracks": tracks[0], "strength": 1.0}
    size = {"width": SIZE, "height": SIZE, "length": FRAMES, "batch_size": 1}
    positive, _, latent = node.execute(*conds, vae, start_image=image, **size, **options).result
    assert latent["samples"].shape == (1, 16, 4, 8, 8)
    return positive, positive[0][1]["concat_latent_image"], positive[0][1]["concat_mask"]


def cells(tracks):
    """[4, N, 2] (row, column) of the latents under the tracks' points at each latent frame's last frame."""
    return (tracks[0]["track_path"][::4] // 8).long().flip(-1)


def test_wan_move_puts_the_tails_latents_along_the_arrows(core, tracked, image):
    tracks = tracked(RIGHT, LEFT)
    found, expected = (in_core("Wan-Move", core, image, each)[1] for each in (tracks, tracked()))
    at = cells(tracks)
    for t in range(1, len(at)):
        for (row, column), (tail_row, tail_column) in zip(at[t], at[0], strict=True):
            expected[:, :, t, row, column] = expected[:, :, 0, tail_row, tail_column]
    assert len(at[:, 0].unique(dim=0)) == 4
    torch.testing.assert_close(found, expected)
    assert not torch.equal(found[:, :, 1], found[:, :, 2])


def test_ati_weighs_what_lies_under_the_arrows(core, tracked, image):
    """It reads 121 points, whatever the video's length."""
    for path in (RIGHT, LEFT):
        _, _, mask = in_core("ATI", core, image, tracked(path, frames=121))
        weights = 1 - mask[0, 0]
        there = tracked(path)[0]["track_path"][1:, 0].unflatten(0, (3, 4)).mean(1)  # px, in the frames of a latent
        for weight, (x, y) in zip(weights[1:], there, strict=True):
            row, column = divmod(int(weight.argmax()), 8)
            # its cells lie from border to border, and its times up to a frame early
            assert abs(column / 7 * SIZE - x) < SIZE / 7 and abs(row / 7 * SIZE - y) < SIZE / 7


@pytest.mark.parametrize("name", ["ATI", "Wan-Move"])
def test_the_model_sees_the_arrows(core, tracked, image, name):
    import comfy.sample

    _, model, conds = core
    frames, videos = 121 if name == "ATI" else FRAMES, []
    latent = torch.zeros(1, 16, 4, 8, 8)
    for paths in ((RIGHT,), (LEFT,), ()):
        tracks = tracked(*paths, frames=frames)
        positive, *_ = in_core(name, core, image, tracks)
        noise = comfy.sample.prepare_noise(latent, 3)
        videos.append(comfy.sample.sample(model, noise, 2, 1.0, "euler", "simple", positive, conds[1], latent))
    right, left, still = videos
    assert all(video.isfinite().all() for video in videos)
    assert all((a - b).abs().max() > 1e-3 for a, b in ((right, left), (right, still), (left, still)))
