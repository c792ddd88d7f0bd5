"""One library call from a picture and arrows to frames: what the nodes give, and what the documentation shows."""

import pytest
import torch
from tiny import FRAMES

from driftfield.flow_tools.arrows import parse_arrows
from driftfield.flow_tools.convention import image_to_tensor, tensor_to_image

ARROWS = '{"version":1,"arrows":[{"id":"a","points":[[0.25,0.5],[0.5,0.5]]},{"id":"pin","points":[[0.9,0.9]]}]}'


@pytest.fixture(scope="module")
def animator(warped):
    return warped


def test_it_gives_the_frames_of_the_nodes(animator, pipeline):
    from driftfield.nodes import animate, arrows, extend, flow

    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    drawn = arrows.DrawMotionArrows.execute(image, ARROWS).result[0]
    sparse, hints = arrows.ArrowsToSparseFlow.execute(drawn, 0, 0, FRAMES).result
    (dense,) = flow.DensifyFlow.execute(sparse, hints, 0.0, 0.05, "followed").result
    (motion,) = animate.EncodeMotion.execute(animator, dense, 1.0).result
    settings = (5, 3, 1.0, 1.0, 0, "auto", 100.0, 0, 0.02, False)
    animation = animate.AnimateImage.execute(animator, image, *settings, guidance=motion).result[0]
    longer = extend.ExtendAnimation.execute(animation, 12, 0.5, 0.2, 7).result[0]
    expected = extend.DecodeAnimation.execute(longer, 8).result[0]

    motion = pipeline.animate_still.motion_of_arrows(parse_arrows(ARROWS, width=64, height=48), frames=FRAMES)
    torch.testing.assert_close(motion.field, dense.field, atol=1e-5, rtol=0)
    assert (motion.frames, motion.notes) == (dense.frames, dense.notes)
    made = pipeline.animate_still.animate_still(
        animator,
        image_to_tensor(image),
        motion,
        pipeline.settings.Settings(seed=5, steps=3),
        pipeline.settings.ExtendSettings(12, gamma=0.5, seed=7),
    )
    frames = torch.cat(list(pipeline.frames.frames_of(made)))
    # Not equal: matrix products round differently from where in memory a tensor lies.
    torch.testing.assert_close(tensor_to_image(frames), expected, atol=1e-4, rtol=0)
    assert (made.report, made.fps, made.size) == (longer.report, 7, (48, 64))


def test_without_arrows_and_extension_it_is_one_segment(animator, pipeline):
    made = pipeline.animate_still.animate_still(
        animator, torch.zeros(1, 3, 64, 64), None, pipeline.settings.Settings(steps=2)
    )
    assert len(made.latents) == FRAMES and "no motion is connected" in made.report
