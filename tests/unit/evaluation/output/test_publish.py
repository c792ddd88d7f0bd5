"""Tables and plots with their command on top."""

import csv
from argparse import Namespace
from pathlib import Path

import cv2
import pytest

from driftfield.evaluation.output.plot import BLUE, Panel, write_plot
from driftfield.evaluation.output.publish import publish

HEADER = ["method", "PSNR", "LPIPS", "seconds"]
ROWS = [["ours", 22.35, None, 1.5], ["Direct", float("nan"), None, 12]]


def test_csv_markdown_and_plot(tmp_path, capsys):
    folder = Path.cwd() / "somewhere" / "data"
    arguments = Namespace(out=tmp_path / "results", words=["table2", "--data", str(folder), "--clips", "3"])
    publish(arguments, "table2_stills", "Long videos", HEADER, ROWS, notes=["LPIPS is missing: put it there"])
    lines = (tmp_path / "results" / "table2_stills.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# python -m driftfield.evaluation table2 --data data --clips 3", "no path of one machine"
    assert list(csv.reader(lines[1:])) == [HEADER, ["ours", "22.35", "", "1.5"], ["Direct", "nan", "", "12"]]
    page = (tmp_path / "results" / "table2_stills.md").read_text(encoding="utf-8")
    assert page.splitlines()[:4] == ["# Long videos", "", "```", lines[0][2:]]
    assert "| ours | 22.35 | missing | 1.50 |" in page and "| Direct | - | missing | 12 |" in page
    assert "- LPIPS is missing: put it there" in page and "(table2_stills.png)" in page
    assert cv2.imread(str(tmp_path / "results" / "table2_stills.png")).shape[0] == 2 * 190, "a panel for each figure"
    assert page in capsys.readouterr().out


@pytest.mark.parametrize("line", [False, True])
@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [-1.0, None, 2.0], [0.0, 0.0, 0.0], [float("nan"), 5.0, 1.0]])
def test_a_plot_of_anything_known(tmp_path, values, line):
    write_plot(tmp_path / "plot.png", ["a", "b", "c"], [Panel("figure", values, line)])
    picture = cv2.imread(str(tmp_path / "plot.png"))
    assert (picture < 128).any() and (picture > 250).mean() > 0.5


def test_a_line_that_hardly_changes_looks_flat(tmp_path):
    def rise(values):
        write_plot(tmp_path / "plot.png", ["a", "b"], [Panel("figure", values, line=True)])
        drawn = (cv2.imread(str(tmp_path / "plot.png"))[..., ::-1] == list(bytes.fromhex(BLUE[1:]))).all(axis=2)
        rows = [drawn[:, half].nonzero()[0].mean() for half in (slice(0, 300), slice(420, None))]
        return rows[0] - rows[1]

    assert 0 <= rise([15.81, 15.82]) < 3 < 60 < rise([1.0, 2.0])
    assert rise([-1.0, 1.0]) == rise([1.0, 2.0])
