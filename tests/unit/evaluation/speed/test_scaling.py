"""What grows with what: the command on one small case, in its own process."""

import pytest


def test_a_case_is_measured_and_shown(comfy_base, tmp_path, capsys):
    from driftfield.evaluation import commands

    words = ["scaling", "--frames", "--side", "64", "--objects", "--arrows", "--out", str(tmp_path)]
    assert commands.main(words) == 0
    page = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    (row,) = [line.split(" | ") for line in page.splitlines() if line.startswith("| 64 ")]
    stages, whole, peak = [float(cell) for cell in row[1:5]], float(row[5]), float(row[6].strip(" |"))
    assert whole == pytest.approx(sum(stages), abs=0.03) and whole > 0.1
    assert 300 < peak < 4000
    assert (tmp_path / "scaling.png").stat().st_size > 1000


def test_slopes_are_powers(comfy_base):
    from driftfield.evaluation.speed.scaling import Cost, slopes

    square = [(n, Cost((1.0, n, n**2, 0.5), 100 * n**0.5)) for n in (1, 10, 20)]
    assert slopes(square)[:4] == pytest.approx([0, 1, 2, 0]) and slopes(square)[-1] == pytest.approx(0.5)


def test_objects_lie_under_the_first_arrows(comfy_base):
    from driftfield.evaluation.speed.scaling import Case, arrows_of

    made = arrows_of(Case(objects=8, arrows=4, side=64))
    assert len(made.arrows) == 8 and len(made.objects) == 8
    for number, (arrow, disc) in enumerate(zip(made.arrows, made.objects, strict=True), start=1):
        x, y = (int(value * 64) for value in arrow.points[0])
        assert arrow.object == number and disc[0, 0, y, x] == 1 and 0 < disc.mean() < 0.05
    assert sum(made.objects).max() == 1
    assert len(arrows_of(Case(arrows=4096)).arrows) == 4096
