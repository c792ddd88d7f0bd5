"""Holynski et al.'s motion fields: read without unpickling anything else, and prepared beside their videos."""

import json
import pickle

import cv2
import numpy as np
import pytest
import torch

from driftfield.flow_tools.flo import read_flo
from driftfield.training import prepare
from driftfield.training.data import holynski
from driftfield.training.data.prepared_set import load, load_fields
from driftfield.training.data.video_files import write_clip

lz4 = pytest.importorskip("lz4.frame")


def write_field(path, value, protocol: int = 3):
    path.write_bytes(lz4.compress(pickle.dumps(value, protocol=protocol)))


@pytest.mark.parametrize("protocol", range(6))
def test_a_field_is_read(tmp_path, protocol):
    field = np.random.default_rng(0).normal(size=(1, 2, 5, 7)).astype(np.float32)
    write_field(tmp_path / "a_motion.pth", field, protocol)
    assert torch.equal(holynski.read_motion(tmp_path / "a_motion.pth"), torch.from_numpy(field))
    torch.save(torch.from_numpy(field), tmp_path / "b_motion.pth")
    assert torch.equal(holynski.read_motion(tmp_path / "b_motion.pth"), torch.from_numpy(field))


class Harmful:
    def __reduce__(self):
        return print, ("code has run",)


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    write_field(tmp_path / "a_motion.pth", Harmful())
    with pytest.raises(ValueError, match=r"a_motion\.pth: not a motion field \(names builtins\.print"):
        holynski.read_motion(tmp_path / "a_motion.pth")
    torch.save(Harmful(), tmp_path / "b_motion.pth")
    with pytest.raises(ValueError, match="b_motion"):
        holynski.read_motion(tmp_path / "b_motion.pth")
    assert "code has run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 2, 4, 4), np.float32), "got 2 fields, allowed 1"),
        (np.zeros((2, 4, 4), np.float32), "allowed a tensor"),
        (np.full((1, 2, 4, 4), np.nan, np.float32), "NaN"),
        ({"no": "array"}, "not a motion field"),
    ],
)
def test_what_is_no_field_is_named(tmp_path, value, message):
    write_field(tmp_path / "a_motion.pth", value)
    with pytest.raises(ValueError, match=f"a_motion.pth.*{message}"):
        holynski.read_motion(tmp_path / "a_motion.pth")
    (tmp_path / "b_motion.pth").write_bytes((tmp_path / "a_motion.pth").read_bytes()[:20])
    with pytest.raises(ValueError, match="b_motion.pth: not a motion field"):
        holynski.read_motion(tmp_path / "b_motion.pth")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two videos of 96 × 160 px that pan 3 px to the right a frame, at 60 frames a second."""
    folder = tmp_path_factory.mktemp("holynski")
    texture = cv2.resize(np.random.default_rng(1).integers(0, 256, (16, 40, 3), np.uint8), (320, 96))
    field = np.zeros((1, 2, 96, 160), np.float32)
    field[:, 0] = 3
    for part, name in (("train", "0001"), ("validation", "0001")):  # of one name, which must not mix them up
        (folder / part).mkdir()
        frames = [texture[:, 60 - 3 * k : 220 - 3 * k] for k in range(12)]
        write_clip(folder / part / f"{name}_gt.mp4", frames, 60, 12)
        write_field(folder / part / f"{name}_motion.pth", field)
    out = folder / "out"
    prepare.main(["holynski", str(folder), "--out", str(out), "--processes", "1", "--size", "64"])
    return folder, out


def test_fields_and_videos_are_cropped_alike(prepared):
    """Frame 0 looked up where the field says it came from is frame 1."""
    _, out = prepared
    for split, name in (("train", "train_0001"), ("held_out", "validation_0001")):
        names, (clip,) = load(out, "clips", split)
        assert names == [name] and clip.shape == (12, 3, 64, 64)  # none of the 60 frames a second is left out
        (field,) = load_fields(out, names)
        assert torch.equal(field, read_flo(out / "fields" / f"{name}.flo"))
        torch.testing.assert_close(field, torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64))
        first, second = clip[:2].float()
        assert (second[..., 6:-4] - first[..., 4:-6]).abs().mean() < 0.3 * (second - first)[..., 4:-4].abs().mean()
    index = json.loads((out / "index.json").read_text(encoding="utf-8"))
    assert [clip["mean_motion_px"] for clip in index["clips"]] == [8.0, 8.0]  # at 256 px


def test_what_does_not_fit_together_is_named(prepared, tmp_path):
    folder, _ = prepared
    target = prepare.Target(tmp_path, 64, 18)
    with pytest.raises(ValueError, match="no field, needed"):
        prepare.prepare_holynski(tmp_path, target, 1)
    field = tmp_path / "0001_motion.pth"
    write_field(field, np.zeros((1, 2, 96, 96), np.float32))
    with pytest.raises(ValueError, match="0001_gt.mp4 is missing"):
        holynski.pack_field((field, "0001", target))
    (tmp_path / "0001_gt.mp4").write_bytes((folder / "train" / "0001_gt.mp4").read_bytes())
    with pytest.raises(ValueError, match="another aspect"):
        holynski.pack_field((field, "0001", target))
