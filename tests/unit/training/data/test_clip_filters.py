"""Which parts of a video are kept, cut and dropped."""

import cv2
import numpy as np
import pytest

from driftfield.training import prepare
from driftfield.training.data import clip_filters as filters


def test_measures_motion_in_px_at_256(texture, moving):
    steps = filters.measure_steps(moving(texture, 5, speed=3))
    assert steps.motion == pytest.approx(3, abs=0.5)
    assert steps.border == pytest.approx(3, abs=0.5)
    assert not filters.static_camera(steps.border)
    assert filters.static_camera(filters.measure_steps([texture[:256, :256]] * 4).border)


def test_border_motion_is_that_of_the_background():
    """Something that moves over less than half of the border does not count; a pan does, in px of the 256-px frame."""
    flow = np.zeros((2, 40, 60), np.float32)
    flow[0, :, 20:40] = 9
    assert filters.border_motion(flow) == 0
    assert filters.border_motion(flow + 0.3) == pytest.approx(0.3 * 2**0.5 * 256 / 60, rel=1e-5)
    assert filters.static_camera(np.array([0.1, 0.2, 0.24, 9.0])[[0, 1, 2, 0, 1, 3]])
    assert not filters.static_camera(np.full(6, 0.26))
    assert not filters.static_camera(np.array([0.1, 0.1, 0.1, 0.5, 0.5]))


def test_splits_at_a_cut_and_drops_short_parts(texture, moving):
    other = cv2.rotate(texture, cv2.ROTATE_180)
    frames = moving(texture, 40) + moving(other, 30) + moving(texture, 10, left=300)
    assert filters.segments(filters.measure_steps(frames)) == [slice(0, 40), slice(40, 70)]


def test_long_parts_are_divided():
    steps = filters.Steps(*(np.ones(209) for _ in range(4)))
    assert filters.segments(steps) == [slice(0, 120), slice(120, 210)]


def test_rejections(texture, moving):
    def why(frames):
        return filters.rejection(frames, filters.measure_steps(frames))

    good = moving(texture, 26)
    assert why(good) is None
    assert why([good[0]] * 26) == "still"
    split = [np.concatenate([frame[:, :128] // 2, 255 - frame[:, 128:] // 2], 1) for frame in good]
    assert why(split) == "composite"
    noise = np.random.default_rng(1).integers(0, 256, (26, 128, 128, 3), np.uint8)
    assert why(list(noise)) == "chaotic"


def test_bars_are_cut_off_and_the_centre_square_kept(texture, moving):
    framed = [np.pad(frame[:, 20:-20], ((0, 0), (20, 20), (0, 0))) for frame in moving(texture, 9)]
    assert filters.content_box(framed) == (0, 256, 20, 236)
    squared = filters.square(framed, (0, 256, 20, 236), 64)
    assert squared[0].shape == (64, 64, 3) and squared[0].min(axis=(0, 2)).max() > 0


def test_held_frames_are_dropped(texture, moving):
    frames = moving(texture, 6)
    assert len(filters.without_held_frames([frame for frame in frames for _ in range(2)])) == 6


def test_hash_finds_resized_copies_only(texture):
    pictures = [texture, cv2.resize(texture, None, fx=0.5, fy=0.5), cv2.rotate(texture, cv2.ROTATE_180)]
    hashes = np.array([[filters.perceptual_hash(picture)] for picture in pictures], np.uint64)
    same, copy, other = filters.hash_distances(hashes[0], hashes)
    assert same == 0 and copy <= prepare.DUPLICATE_BITS and other > prepare.NEAR_HELD_OUT_BITS


def test_hash_distances_against_counting():
    random = np.random.default_rng(0)
    hashes, others = (random.integers(0, 2**64, shape, np.uint64) for shape in (3, (5, 3)))
    expected = [min((int(x) ^ int(y)).bit_count() for x in hashes for y in row) for row in others]
    assert filters.hash_distances(hashes, others).tolist() == expected
    assert filters.hash_distances(hashes, others[:0]).shape == (0,)
