"""How far arrows move what is under them: the command's figures, and its page."""

import pytest


@pytest.fixture(scope="module")
def field(comfy_base):
    from driftfield.evaluation import field

    return field


@pytest.mark.parametrize("degrees", [0, 45])
def test_pins_hold_an_arrow_in_the_paper_s_mean_alone(field, degrees):
    arrow, pins = field.KINDS["straight"][0.1], field.pins(degrees)
    assert field.reach(arrow, pins, mode="followed") >= 0.9
    assert field.reach(arrow, pins, mode="faded") == pytest.approx(0.22, abs=0.02)


def test_reach_is_1_at_the_head_and_0_where_nothing_moves(field):
    arrow = field.KINDS["straight"][0.1]
    assert field.reach(arrow, [], mode="normalized") == pytest.approx(1, abs=1e-3)
    assert field.reach(arrow, [], mode="followed", threshold=1.0) == pytest.approx(0, abs=1e-6)


def test_the_page_says_how_it_is_made(field, tmp_path, monkeypatch, capsys):
    from driftfield.evaluation.commands import main

    monkeypatch.setattr(field, "KINDS", {"straight": {0.1: field.straight(0.1), 0.2: field.straight(0.2)}})
    monkeypatch.setattr(field, "SIDES", (64,))
    assert main(["field", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "field.md").read_text(encoding="utf-8")
    assert f"`python -m driftfield.evaluation field --out {tmp_path.name}`" in page and page == capsys.readouterr().out
    assert page.count("\n| straight") == 2 + 1 + 2 and "\n| 64 × 64 |" in page
