"""Preparing training data: what is kept, cut, dropped and held out."""

import io
import json
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from driftfield.training import prepare
from driftfield.training.data.video_files import read_video, write_clip


def test_splits_keep_copies_of_held_out_items_out_of_training():
    def item(name, bits, kind="clip"):
        return {"name": name, "kind": kind, "file": name, "hashes": [bits]}

    records = [
        item("a", 0),
        item("b", (1 << 30) - 1),
        item("near", 0b1111111),
        item("copy", 1),
        item("still", 0b11111111, "still"),
    ]
    prepare.assign_splits(records, {"clip": {"a"}, "still": set()})
    found = {record["name"]: record.get("split", record.get("dropped")) for record in records}
    assert found == {
        "a": "held_out",
        "b": "train",
        "near": "near held out",
        "copy": "duplicate",
        "still": "near held out",
    }


def test_committed_lists_are_disjoint_and_complete():
    lists = json.loads(prepare.LISTS.read_text(encoding="utf-8"))
    assert len(set(lists["clips"])) == 30 and len(set(lists["stills"])) == 60
    assert not set(lists["excluded"]) & set(lists["clips"] + lists["stills"])
    assert lists["demo"] in lists["stills"]
    train = {kind: set(names) for kind, names in lists["train"].items()}
    assert {kind: len(names) for kind, names in train.items()} == {"clips": 182, "stills": 200}
    for kind, names in train.items():
        assert not names & {*lists[kind], *lists["excluded"]}


def test_videos_command_cuts_a_folder_into_clips(texture, tmp_path, moving):
    (tmp_path / "in").mkdir()
    source = moving(texture, 30, size=300) + moving(cv2.rotate(texture, cv2.ROTATE_180), 30, size=300)
    write_clip(tmp_path / "in" / "two shots.mp4", source, 24, 18)
    (tmp_path / "in" / "broken.mp4").write_bytes(b"no video")
    out = ["--out", str(tmp_path / "out"), "--processes", "1", "--size", "128"]
    prepare.main(["videos", str(tmp_path / "in"), *out])
    index = json.loads((tmp_path / "out" / "index.json").read_text(encoding="utf-8"))
    assert [clip["frames"] for clip in index["clips"]] == [30, 30]
    assert [(entry["file"], entry["dropped"]) for entry in index["dropped"]] == [("broken.mp4", "unreadable")]
    for clip in index["clips"]:
        capture = cv2.VideoCapture(str(tmp_path / "out" / "clips" / f"{clip['name']}.mp4"))
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 30 and capture.read()[1].shape == (128, 128, 3)
        assert clip["mean_motion_px"] == pytest.approx(2 * 256 / 300, abs=0.4)


@pytest.mark.parametrize(
    ("files", "expected"),
    [(["a"], []), (["a", "b", "c"], ["c"]), ([f"{i}" for i in range(60, 110)], ["68", "86", "102", "104"])],
)
def test_some_files_of_a_folder_are_held_out(tmp_path, monkeypatch, files, expected):
    """By a hash of their names: a twentieth, and one where that is none."""
    found = [
        {"name": f"{name}_0", "kind": "clip", "package": "videos", "file": name, "hashes": [i << 20] * 3, "frames": 30}
        for i, name in enumerate(files)
    ]
    (tmp_path / "in.mp4").touch()
    monkeypatch.setattr(prepare, "run", lambda *_: found)
    monkeypatch.setattr(prepare, "DUPLICATE_BITS", -1)
    monkeypatch.setattr(prepare, "NEAR_HELD_OUT_BITS", -1)
    prepare.prepare_videos(tmp_path, prepare.Target(tmp_path, 256, 18), 1)
    assert [record["file"] for record in found if record["split"] == "held_out"] == expected


def test_files_of_one_name_in_several_folders_are_several(texture, tmp_path, moving):
    source = moving(texture, 30, size=300)
    for number in range(2):
        (tmp_path / "in" / f"scene{number}").mkdir(parents=True)
        write_clip(tmp_path / "in" / f"scene{number}" / "video.mp4", source, 24, 18)
    prepare.main(["videos", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--processes", "1", "--size", "128"])
    index = json.loads((tmp_path / "out" / "index.json").read_text(encoding="utf-8"))
    assert [clip["file"] for clip in index["clips"]] == ["scene0/video.mp4"]
    assert [(entry["file"], entry["dropped"]) for entry in index["dropped"]] == [("scene1/video.mp4", "duplicate")]


def test_a_file_without_a_video_and_frames_of_changing_size(texture, tmp_path, moving):
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.rate = 48000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    target = prepare.Target(tmp_path, 128, 18)
    (record,) = prepare.pack_video((tmp_path / "sound.mp4", "sound.mp4", "00000_sound", target))
    assert record["dropped"] == "unreadable"

    for size, name in ((256, "a"), (192, "b")):
        write_clip(tmp_path / f"{name}.ts", moving(texture, 6, size=size), 24, 18)
    both = tmp_path / "both.ts"  # transport streams may be put one behind the other
    both.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    blocks = [frames for frames, _ in read_video(both, 128)]
    assert len(blocks) == 2 and [block[0].shape for block in blocks] == [(256, 256, 3), (192, 192, 3)]


@pytest.mark.parametrize(
    ("fps", "kept"),
    [
        (24, 24),
        (30.003, 30.003),
        (1000 / 33, 1000 / 33),
        (36, 18),
        (44, 22),
        (60, 30),
        (1000 / 16, 1000 / 32),
        (72, 24),
    ],
)
def test_a_faster_film_gives_at_most_30_frames_a_second(texture, tmp_path, monkeypatch, fps, kept, moving):
    rates = []
    monkeypatch.setattr(prepare, "write_clip", lambda path, frames, fps, crf: rates.append(fps))
    prepare.cut_clips(moving(texture, 90), fps, "a", {"kind": "clip"}, prepare.Target(tmp_path, 128, 18))
    assert rates == pytest.approx([kept])


def test_a_size_that_no_network_takes_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        prepare.main(["videos", str(tmp_path), "--out", str(tmp_path / "out"), "--size", "255"])
    assert "--size: got 255, allowed multiples of 8" in capsys.readouterr().err


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="no videos; allowed suffixes"):
        prepare.main(["videos", str(tmp_path), "--out", str(tmp_path / "out")])


def test_mini_command_on_wheels_of_the_right_names(texture, tmp_path, monkeypatch, moving):
    """What is held out by name is held out, what is listed is trained on, the rest is left out, none is missing."""
    lists = json.loads(prepare.LISTS.read_text(encoding="utf-8"))
    lists = {kind: lists[kind][:1] for kind in ("clips", "stills", "excluded")}
    monkeypatch.setattr(prepare, "LISTS", tmp_path / "lists.json")
    train = {"clips": ["new-1"], "stills": ["new-2"]}
    prepare.LISTS.write_text(json.dumps(lists | {"train": train}), encoding="utf-8")
    turned = cv2.rotate(texture, cv2.ROTATE_180)
    mirrored = texture[:, ::-1]
    animations = {lists["clips"][0]: texture, lists["excluded"][0]: mirrored, "new-1": turned}
    stills = {
        lists["stills"][0]: mirrored[:320, :320],
        "new-2": turned[60:380, 300:620],
        "unknown": texture[:320, 300:620],
    }
    (tmp_path / "wheels").mkdir()
    for number, (package, version) in enumerate(prepare.PACKAGES.items()):
        wheel = tmp_path / "wheels" / f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, picture in animations.items() if number == 0 else ():
                frames = [Image.fromarray(frame) for frame in moving(picture, 26, size=280)]
                buffer = io.BytesIO()
                frames[0].save(buffer, "webp", save_all=True, append_images=frames[1:], duration=50, quality=80)
                archive.writestr(f"templates/{name}.webp", buffer.getvalue())
            for name, picture in stills.items() if number == 1 else ():
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "webp", quality=80)
                archive.writestr(f"templates/{name}.webp", buffer.getvalue())
    out = tmp_path / "out"
    prepare.main(["mini", "--packages", str(tmp_path / "wheels"), "--out", str(out), "--processes", "1"])
    index = json.loads((out / "index.json").read_text(encoding="utf-8"))
    found = {entry["name"]: entry["split"] for kind in ("clips", "stills") for entry in index[kind]}
    held_out = {lists["clips"][0]: "held_out", lists["stills"][0]: "held_out"}
    assert found == held_out | {"new-1": "train", "new-2": "train"}
    assert {entry["name"]: entry["dropped"] for entry in index["dropped"]} == {
        "unknown": "not in the list",
        lists["excluded"][0]: "excluded by eye",
    }
    written = {path.stem for part in ("clips", "stills") for path in (out / part).iterdir()}
    assert written == set(found)

    train["clips"].append("lost")
    prepare.LISTS.write_text(json.dumps(lists | {"train": train}), encoding="utf-8")
    with pytest.raises(ValueError, match="lacks 1 of the set in lists.json, clip lost first"):
        prepare.main(["mini", "--packages", str(tmp_path / "wheels"), "--out", str(out), "--processes", "1"])
