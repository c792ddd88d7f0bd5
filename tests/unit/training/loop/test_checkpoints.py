"""Results are replaced whole, or not at all."""

import pytest

from driftfield.training.loop.checkpoints import replacing


def test_results_are_replaced_whole(tmp_path):
    for content in ("one", "two"):
        with replacing(tmp_path) as folder:
            (folder / "model").mkdir()
            (folder / "model" / content).write_text(content, encoding="utf-8")
            (folder / "card.txt").write_text(content, encoding="utf-8")
        assert [p.name for p in (tmp_path / "model").iterdir()] == [content]
        assert (tmp_path / "card.txt").read_text(encoding="utf-8") == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.txt", "model"]


def test_a_run_killed_while_it_writes_leaves_what_was_there(tmp_path):
    (tmp_path / "card.txt").write_text("whole", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path) as folder:
        (folder / "card.txt").write_text("ha", encoding="utf-8")
        raise KeyboardInterrupt
    assert (tmp_path / "card.txt").read_text(encoding="utf-8") == "whole"
    with replacing(tmp_path) as folder:  # and the next one is not in its way
        (folder / "card.txt").write_text("whole again", encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["card.txt"]
