"""scripts/animate_folder.py: a folder of pictures on the tiny model, by one process and by two."""

import animate_folder
import numpy as np
import pytest
from PIL import Image


def test_pictures_in_batches(comfy_base, tiny_folder, tiny_adapters, tmp_path, capsys, monkeypatch):
    import av

    monkeypatch.setattr(animate_folder.host, "enter", lambda: None)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)
    for name in ("a", "b", "c"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "a.json").write_text('[[{"x": 10, "y": 10}, {"x": 30, "y": 10}]]', encoding="utf-8")
    (tmp_path / "c.png").write_bytes(b"no picture")
    words = [str(tmp_path), "--model", "tiny", "--adapter", tiny_adapters["warped"], "--size", "64", "48"]
    words += ["--total-frames", "8", "--steps", "2", "--gamma", "0.5"]
    words += ["--crf", "0"]  # x264 itself, given equal frames, now and then loses other things of them

    def videos(folder, *processes):
        for rank, count in processes:
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", str(count))
            animate_folder.main([*words, "--out", str(folder)])
        return {file.name: read(file) for file in sorted(folder.iterdir())}

    def read(file):
        with av.open(str(file)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)

    one = videos(tmp_path / "one", (0, 1))
    assert list(one) == ["a.mp4", "b.mp4"] and np.abs(one["a.mp4"] - one["b.mp4"]).mean() > 2
    assert "c.png" in capsys.readouterr().err, "one that cannot be read does not stop the others"
    assert one["a.mp4"].shape == (8, 48, 64, 3)
    two = videos(tmp_path / "two", (0, 2), (1, 2))
    assert list(two) == list(one)
    assert all(np.abs(two[name] - one[name]).mean() < 0.5 for name in one), "but for rounding"
    written = (tmp_path / "one" / "a.mp4").stat().st_mtime_ns
    videos(tmp_path / "one", (0, 1))
    assert (tmp_path / "one" / "a.mp4").stat().st_mtime_ns == written, "what is there is left alone"


def test_batch_refuses_a_folder_without_pictures_and_two_of_a_name(tmp_path, capsys):
    for words, said in (
        ([str(tmp_path / "none"), "--out", "x"], "allowed a folder"),
        ([str(tmp_path), "--out", "x"], "holds no picture"),
    ):
        with pytest.raises(SystemExit):
            animate_folder.main(words)
        assert said in capsys.readouterr().err
    for name in ("a.png", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(SystemExit):
        animate_folder.main([str(tmp_path), "--out", "x"])
    assert "a there in two formats" in capsys.readouterr().err
