"""The speed benchmark on toy networks: every way gives the plain loop's video and counts its passes."""

from driftfield.evaluation import speed


def test_every_way_gives_the_video_of_the_plain_loop(tmp_path, capsys):
    speed.main(["--size", "toy", "--out", str(tmp_path / "speed.md")])
    assert "FAILED" not in capsys.readouterr().out
    rows = [
        line.split(" | ")
        for line in (tmp_path / "speed.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    header, chain, *ways = [[cell.strip("| ") for cell in row] for row in rows]
    assert len(ways) == len(speed.ladder()) == 9
    passes = header.index("passes")
    steps, later, others = 5, 1, 2  # 0.8 * 5 = 4 steps are shared; 2 more segments
    assert chain[passes] == str(2 * 3 * steps)
    for way in ways:
        assert way[passes] == str(2 * steps + 1 + 2 * others * later)
        for name in ("Δ latents", "Δ frames"):
            assert float(way[header.index(name)]) < 1e-5, way[0]
