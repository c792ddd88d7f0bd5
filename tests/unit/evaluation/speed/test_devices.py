"""The second phase on several devices, at the toy size."""

import torch


def test_devices_are_timed_side_by_side(comfy_base, tmp_path, monkeypatch, capsys):
    from driftfield.evaluation import commands
    from driftfield.evaluation.speed import devices

    monkeypatch.setattr(devices.memory, "devices", lambda count: [torch.device("cpu")] * count)
    words = ["--size", "toy", "--devices", "1", "2", "--total-frames", "13", "--joins", "restart"]
    devices.run(commands.parse(["devices", *words, "--out", str(tmp_path)]))
    lines = (tmp_path / "devices.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split('",')[0] for line in lines[2:]] == ['"restart, 13, 1', '"restart, 13, 2']
    assert float(lines[3].split(",")[-1]) < 1e-5
    assert "restart, 13, 1: 1; restart, 13, 2: " in (tmp_path / "devices.md").read_text(encoding="utf-8")
    assert devices.most_times_faster([4, 4], 2) == 2 and devices.most_times_faster([9], 2) == 1.8
