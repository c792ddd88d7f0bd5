"""What the refiner is trained on: fields of clips, and scenes."""

import pytest
import torch
from disc import SIZE, fields_of

from driftfield.training.data import refiner_fields


def test_fields_of_clips_are_means_over_a_window():
    base = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(base[None], size=64, mode="bicubic").clamp(0, 1)[0].mul(255).byte()
    frames = [picture.clone() for _ in range(2 * refiner_fields.WINDOW + 2)]
    for k, frame in enumerate(frames):  # a quarter of it moves, and a camera pans over all
        frame[:, 16:48, 16:48] = picture.roll(2 * k, dims=-1)[:, 16:48, 16:48]
    clip = torch.stack([frame.roll(k, dims=-2) for k, frame in enumerate(frames)])
    fields = refiner_fields.clip_fields([clip[:5], clip, clip[:10]])
    assert torch.equal(fields.images, clip[[0, refiner_fields.WINDOW, 0]])
    assert fields.flow.shape == (3, 2, 64, 64) and fields.flow[0, 1].float().median() == pytest.approx(0, abs=0.2)
    moving = fields.flow[0, :, 22:44, 22:44].float().flatten(1).median(dim=1).values
    assert moving.tolist() == pytest.approx([2, 0], abs=0.4)
    assert fields.first.tolist() == [0, 2] and fields.count.tolist() == [2, 1]
    assert len(refiner_fields.clip_fields([clip], stride=refiner_fields.WINDOW // 2).images) == 3


def test_every_clip_is_drawn_as_often():
    fields = fields_of(torch.zeros(5, 2, SIZE, SIZE))
    images, _ = fields.draw(2000, torch.Generator().manual_seed(0))
    which = ((images[:, 0, 0, 0] + 1) * 127.5).round().long().bincount() / 2000
    assert which.tolist() == pytest.approx([0.5] + [0.125] * 4, abs=0.04)


def test_scenes_are_new_in_every_step_and_the_same_again():
    stills = [torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8) for _ in range(3)]
    first, again = (refiner_fields.Scenes(stills, 2, SIZE, torch.device("cpu"), seed=4) for _ in range(2))
    steps = [first.of(step) for step in (0, 1, refiner_fields.BLOCK, refiner_fields.BLOCK + 1)]
    images, flow = again.of(refiner_fields.BLOCK + 1)
    assert images.shape == (2, 3, SIZE, SIZE) and flow.shape == (2, 2, SIZE, SIZE) and flow.isfinite().all()
    assert torch.equal(images, steps[3][0]) and torch.equal(flow, steps[3][1])
    assert all(not torch.equal(a[0], b[0]) for i, a in enumerate(steps) for b in steps[:i])
