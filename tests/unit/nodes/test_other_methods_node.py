"""Extend Animation (Other Methods) on the tiny model."""

import pytest
import torch
from tiny import FRAMES

from driftfield.flow_tools.motion import Motion


@pytest.fixture(scope="module")
def node(comfy_base):
    from driftfield.nodes.other_methods import ExtendAnimationOtherMethods

    return ExtendAnimationOtherMethods


@pytest.fixture(scope="module")
def animations(comfy_base, loaders, tiny_folder, tiny_adapters):
    """By control, all of 5 frames: a warped reference, and the dual clock without an adapter."""
    from driftfield.nodes.animate import AnimateImage, EncodeMotion

    found = {}
    for control, adapter in (("warped", tiny_adapters["warped"]), ("dual clock", "none")):
        animator = loaders.animator.load_animator("tiny", adapter, "auto")
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, 50, 64, 3, generator=generator)
        flow = 3 * torch.randn(1, 2, 50, 64, generator=generator)
        motion = EncodeMotion.execute(animator, flow, 1.0).result[0]
        settings = (3, 4, 1.0, 1.0, 7, "auto", 100.0, 0, 0.02, False)
        found[control] = AnimateImage.execute(animator, image, *settings, guidance=motion).result[0]
    return found


@pytest.mark.parametrize("control", ["warped", "dual clock"])
@pytest.mark.parametrize("method, passes", [("Direct", 8), ("Gen-L-Video", 16), ("FreeNoise", 16)])
def test_it_makes_a_video_at_its_price(node, loaders, animations, monkeypatch, control, method, passes):
    animation = animations[control]
    network = loaders.memory.unwrap(animation.animator.unet)
    forward, seen = network.forward, []
    monkeypatch.setattr(network, "forward", lambda *args, **more: seen.append(1) or forward(*args, **more))
    longer, report = node.execute(animation, 13, method, 0, 1).result
    assert longer.latents.shape == (13, *animation.latents.shape[1:]) and longer.latents.isfinite().all()
    assert len(seen) == passes and f"{passes} evaluations" in report
    again = node.execute(animation, 13, method, 0, 1).result[0]
    assert torch.equal(again.latents, longer.latents)
    if method == "Direct":
        assert torch.equal(longer.latents[:FRAMES], animation.latents)
    assert torch.equal(node.execute(animation, FRAMES, method, 0, 1).result[0].latents, animation.latents)


def test_a_flow_for_each_step_must_be_long_enough(node, animations, loaders, tiny_adapters):
    import dataclasses

    animation = animations["warped"]
    asked = dataclasses.replace(animation.plan.asked, motion=Motion(torch.ones(FRAMES - 1, 2, 50, 64)))
    short = dataclasses.replace(animation, plan=dataclasses.replace(animation.plan, asked=asked))
    with pytest.raises(ValueError, match="motion: got flow for 5 frames"):
        node.execute(short, 13, "FreeNoise", 0, 1)


@pytest.mark.parametrize(
    "changes, said", [({"method": "glue"}, "method: got 'glue'"), ({"overlap": 5}, "overlap: got 5")]
)
def test_errors_name_the_input(node, animations, changes, said):
    given = {"total_frames": 13, "method": "FreeNoise", "overlap": 0, "seed": 0, **changes}
    with pytest.raises(ValueError, match=said):
        node.execute(animations["warped"], **given)


@pytest.mark.parametrize("method", ["Direct", "Gen-L-Video", "FreeNoise"])
def test_the_largest_seed_is_a_seed(node, animations, method):
    animation = animations["warped"]
    largest = node.execute(animation, 13, method, 0, 2**64 - 1).result[0].latents
    assert largest.isfinite().all()
    if method == "Direct":  # its clip k has the seed + k, and 0 follows the largest
        first = node.execute(animation, 13, method, 0, 2**64 - 2).result[0].latents
        assert not torch.equal(first, largest)
