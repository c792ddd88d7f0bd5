"""The animator's training set: windows of clips and scenes, encoded with their warped references and flow."""

import pytest
import torch
from tiny import tiny_vae

from driftfield.flow_tools.beyond import continued
from driftfield.flow_tools.convention import flip_flow
from driftfield.flow_tools.strength import motion_strength
from driftfield.training.data.latents import BATCH, FLOW_FACTOR, encode, encode_batch, from_clips, from_scenes, joined
from driftfield.training.data.prepared_set import to_unit

SIZE, FRAMES = 64, 4


@pytest.fixture(scope="module")
def vae():
    return tiny_vae()


def picture(seed: int, size: int = SIZE) -> torch.Tensor:
    return torch.randint(0, 256, (3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def rolling_clip(frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture that rolls 2 px a frame to the right, with its flow."""
    clip = torch.stack([picture(seed).roll(2 * k, dims=-1) for k in range(frames)])
    return clip, torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(frames - 1, 2, SIZE, SIZE)


def test_a_batch_holds_latents_references_flow_and_strength(vae):
    clip, flow = rolling_clip(FRAMES)
    video = to_unit(clip)[None]
    batch = encode_batch(vae, video, flow[None])
    assert batch.latents.shape == batch.warped.shape == (1, FRAMES, 4, SIZE // 8, SIZE // 8)
    torch.testing.assert_close(batch.latents[0], vae.encode(video[0]).latent_dist.mode().half())
    assert torch.equal(batch.images[0], clip[0])
    assert batch.flow.shape == (1, FRAMES - 1, 2, SIZE // FLOW_FACTOR, SIZE // FLOW_FACTOR)
    assert torch.equal(batch.flow[0, :, 0], torch.ones(FRAMES - 1, 32, 32).half())  # px of the smaller grid
    assert batch.strength_percent.item() == pytest.approx(100 * motion_strength(flow))
    # frame 0 warped along the true flow is the later frame, but for what came in over the border
    most = SIZE // 8  # a step of the margin
    wide = continued(video[0, :1], (0, 0, most, 0))[0]
    seen = torch.stack([wide[..., most - 2 * k : most - 2 * k + SIZE] for k in range(FRAMES)])
    torch.testing.assert_close(batch.warped[0], encode(vae, seen), atol=5e-3, rtol=0)


def test_windows_come_as_they_are_mirrored_and_backwards(vae):
    clip, flow = rolling_clip(7)
    (part,) = from_clips(vae, [clip], [flow], [-flow], frames=FRAMES, stride=3)
    assert len(part) == 8  # 2 windows, × 2 mirrored, × 2 directions
    for i, (expected, motion) in enumerate([
        (clip[0], 1), (clip[0].flip(-1), -1), (clip[3], 1), (clip[3].flip(-1), -1),
        (clip[6], -1), (clip[6].flip(-1), 1), (clip[3], -1), (clip[3].flip(-1), 1),
    ]):  # fmt: skip
        assert torch.equal(part.images[i], expected), i
        assert (part.flow[i, :, 0] == motion).all() and not part.flow[i, :, 1].any(), i
    assert torch.equal(flip_flow(flow)[..., 0], -flow[..., 0])


def test_without_backward_flow_windows_come_as_they_are_alone(vae):
    clip, flow = rolling_clip(7)
    (part,) = from_clips(vae, [clip], [flow], None, frames=FRAMES, stride=3)
    assert torch.equal(part.images, clip[[0, 3]])


def test_large_frames_keep_their_flow_at_128_px(vae):
    video = torch.zeros(1, 2, 3, 512, 512)
    batch = encode_batch(vae, video, torch.full((1, 1, 2, 512, 512), 4.0))
    assert batch.flow.shape == (1, 1, 2, 128, 128) and (batch.flow == 1).all()


def test_clips_are_taken_by_number(vae):
    clip, flow = rolling_clip(7)
    (part,) = from_clips(vae, [clip], [flow], None, frames=FRAMES, stride=1)
    taken = part.take(torch.tensor([2, 0, 2]), torch.device("cpu"))
    assert torch.equal(taken.images, clip[[2, 0, 2]]) and torch.equal(taken.flow, part.flow[[2, 0, 2]])


def test_every_still_becomes_scenes(vae):
    stills = [picture(seed, 80) for seed in range(BATCH + 1)]
    generator = torch.Generator().manual_seed(0)
    parts = from_scenes(vae, stills, frames=2, size=SIZE, rounds=1, generator=generator)
    data = joined(parts)
    assert [len(part) for part in parts] == [BATCH, 1] and len(data) == BATCH + 1
    assert data.images.shape[-1] == SIZE and data.latents.isfinite().all()
    assert (data.strength_percent > 0).any()
