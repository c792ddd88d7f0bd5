"""Animate Image on what people connect: pictures of any kind, flows that were hardly meant, the largest seed."""

import json
import re

import pytest
import torch
from animating import animated, encoded
from tiny import FRAMES


@pytest.fixture(scope="module")
def nodes(comfy_base):
    from driftfield.nodes import animate

    return animate


@pytest.fixture(scope="module")
def longer_nodes(comfy_base):
    from driftfield.nodes import extend

    return extend


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde", "er_sde"])
def test_the_largest_seed_is_a_seed_for_every_sampler(nodes, longer_nodes, plain, image, name):
    from comfy.samplers import sampler_object

    sigmas = torch.tensor([80.0, 2.0, 0.0])
    first, _ = animated(nodes, plain, image, sampler=sampler_object(name), sigmas=sigmas, seed=2**64 - 1)
    assert first.latents.isfinite().all()
    longer_nodes.ExtendAnimation.execute(first, 8, 0.0, 0.2, 2**64 - 1)


def test_motion_that_cannot_be_is_refused_before_it_is_encoded(nodes, warped, flow):
    for bad, said in [
        (100 * flow, "flow: moves .* allowed at most the diagonal"),
        (flow * torch.nan, "flow: got .* NaN"),
    ]:
        with pytest.raises(ValueError, match=said):
            encoded(nodes, warped, bad)
    with pytest.raises(ValueError, match="adapter_strength: got nan"):
        encoded(nodes, warped, flow, float("nan"))


def warnings(nodes, animator, image, motion) -> list[str]:
    _, report = animated(nodes, animator, image, guidance=encoded(nodes, animator, motion))
    return [line.removeprefix("Warning: ") for line in report.splitlines()[1:]]


def test_the_report_says_what_the_arrows_and_the_region_were(nodes, plain):
    from driftfield.nodes import arrows, flow, loaders

    still = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))

    def dense(frames: int, reach: float, region: float, count: int = 1):
        entries = [{"id": f"b{i}", "points": [[0.5, 0.5], [reach, 0.5]]} for i in range(count)]
        drawn = arrows.DrawMotionArrows.execute(still, json.dumps({"version": 1, "arrows": entries})).result[0]
        sparse, hints = arrows.ArrowsToSparseFlow.execute(drawn, 0, 0, frames).result
        return flow.DensifyFlow.execute(sparse, hints, 0.0, 0.05, "faded", torch.full((1, 8, 8), region)).result[0]

    assert warnings(nodes, plain, still, dense(FRAMES, 0.6, 1.0)) == []
    (clipped,) = warnings(nodes, plain, still, dense(FRAMES, 1.5, 1.0))
    assert clipped == "arrow b0: point 1 at (1.5, 0.5) clipped to the border"
    *first, more = warnings(nodes, plain, still, dense(FRAMES, 1.5, 1.0, count=8))
    assert [line.split(":")[0] for line in first] == [f"arrow b{i}" for i in range(5)]
    assert more == "and 3 more notes like these, shown on Draw Motion Arrows"
    (frames,) = warnings(nodes, plain, still, dense(9, 0.6, 1.0))
    assert frames.startswith(f"the arrows reach their heads in 9 frames, this segment has {FRAMES}: set frames in ")
    empty, zero = warnings(nodes, plain, still, dense(FRAMES, 0.6, 0.0))
    assert empty.startswith("the region is empty") and zero.startswith("the flow is 0 everywhere")
    (refiner,) = loaders.LoadFlowRefiner.execute("built-in").result
    (refined,) = flow.RefineFlow.execute(refiner, dense(FRAMES, 0.6, 0.0), still, region=torch.zeros(1, 8, 8)).result
    assert warnings(nodes, plain, still, refined) == [empty, zero]  # of two regions that are empty


def test_the_report_warns_and_says_what_to_do(nodes, plain, image, flow, caplog):
    sparse = torch.zeros(1, 2, 64, 64)
    sparse[0, 0, 20, 10:50] = 2.0  # a line and a point
    sparse[0, 1, 40, 40] = 1.0
    cases = [
        (None, "Warning: no motion is connected, .*: connect motion from Encode Motion"),
        (torch.zeros(1, 2, 64, 64), "Warning: the flow is 0 everywhere, .*: draw an arrow"),
        (sparse, "Warning: only 1.00% of the flow's pixels move, .*: put Densify Flow between"),
        (flow, None),
    ]
    for field, said in cases:
        motion = None if field is None else encoded(nodes, plain, field)
        caplog.clear()
        animation, report = animated(nodes, plain, image, guidance=motion)
        if said is None:
            assert "Warning" not in report and not animation.plan.warnings
            continue
        first, *warnings = report.splitlines()
        assert first.startswith("tiny: ") and len(warnings) == len(animation.plan.warnings) == 1
        assert re.match(said, warnings[0]) and warnings[0] in caplog.text


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
def test_pictures_of_fewer_bits_are_animated_and_decoded(nodes, longer_nodes, warped, image, flow, dtype):
    given = (image * 255).to(dtype) if dtype == torch.uint8 else image.to(dtype)
    animation, _ = animated(nodes, warped, given, guidance=encoded(nodes, warped, flow))
    longer = longer_nodes.ExtendAnimation.execute(animation, 8, 0.5, 0.2, 0).result[0]
    frames, _ = longer_nodes.DecodeAnimation.execute(longer, 8).result
    assert frames.dtype == torch.float32 and frames.shape == (8, 64, 64, 3) and frames.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_one_pixel_is_a_picture(nodes, longer_nodes, warped, channels):
    from driftfield.nodes import arrows, flow

    still = torch.full((1, 1, 1, channels), 0.5)
    drawn = arrows.DrawMotionArrows.execute(still, '{"version":1,"arrows":[{"id":"a","points":[[0,0.5],[1,0.5]]}]}')
    sparse, hints = arrows.ArrowsToSparseFlow.execute(drawn.result[0], 0, 0, FRAMES).result
    (dense,) = flow.DensifyFlow.execute(sparse, hints, 0.0, 0.05, "faded", drawn.result[3]).result
    animation, _ = animated(nodes, warped, still, guidance=encoded(nodes, warped, dense))
    frames, _ = longer_nodes.DecodeAnimation.execute(animation, 8).result
    assert frames.shape == (FRAMES, 1, 1, 3) and frames.isfinite().all()
