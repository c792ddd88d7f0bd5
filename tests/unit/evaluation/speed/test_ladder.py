"""The speed benchmark on toy networks: every way gives the plain loop's video and counts its passes."""


def test_every_way_gives_the_video_of_the_plain_loop(comfy_base, tmp_path, capsys):
    from driftfield.evaluation import commands
    from driftfield.evaluation.speed import ladder

    assert commands.main(["speed", "--size", "toy", "--out", str(tmp_path)]) == 0
    assert "FAILED" not in capsys.readouterr().out
    rows = [
        line.split(" | ")
        for line in (tmp_path / "speed.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    header, chain, *ways = [[cell.strip("| ") for cell in row] for row in rows]
    assert [way[0] for way in ways] == [*(way.name for way in ladder.ladder()), ladder.NODES]
    passes = header.index("passes")
    steps, left, others = 5, 1, 2  # 0.8 * 5 = 4 steps are shared; 2 more segments
    assert chain[passes] == str(2 * 3 * steps)
    for way in ways:
        assert way[passes] == str(2 * steps + 1 + 2 * others * left)
        for name in ("Δ latents", "Δ frames"):
            assert float(way[header.index(name)]) < 1e-5, way[0]
