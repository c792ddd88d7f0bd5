"""The templates as they are drawn: no node over another, none outside its group."""

import json
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).absolute().parents[2] / "workflows").glob("*.json"))
# [type, left, top, right, bottom] in the graph's own measure; in Nodes 2.0 what the page has put there.
NODES = """app.graph.nodes.map((node) => {
    const [x, y, width, height] = node.getBounding();
    const drawn = document.querySelector(`[data-node-id="${node.id}"]`);
    if (!drawn) return [node.type, x, y, x + width, y + height];
    const { m41: left, m42: top } = new DOMMatrix(getComputedStyle(drawn).transform);
    return [node.type, left, top, left + drawn.offsetWidth, top + drawn.offsetHeight];
})"""
GROUPS = "app.graph.groups.map(({ title, _bounding: [x, y, width, height] }) => [title, x, y, x + width, y + height])"
STILL = 2  # px by which a border may stand out


def settled(page, script: str) -> list:
    """What the script says once it says the same twice."""
    before, now = None, page.evaluate(script)
    while before is None or any(
        abs(a - b) > 0.5 for x, y in zip(before, now, strict=True) for a, b in zip(x[1:], y[1:], strict=True)
    ):
        page.evaluate("new Promise((done) => setTimeout(done, 500))")
        before, now = now, page.evaluate(script)
    return now


def overlap(a: list, b: list) -> float:
    """px by which the boxes reach into each other on the axis where they do so least; 0 and less: apart."""
    return min(min(a[3], b[3]) - max(a[1], b[1]), min(a[4], b[4]) - max(a[2], b[2]))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_node_covers_another_or_leaves_its_group(page, file):
    page.load(json.loads(file.read_text(encoding="utf-8")))
    nodes, groups = settled(page, NODES), page.evaluate(GROUPS)
    drawn = page.evaluate("document.querySelectorAll('[data-node-id]').length")
    assert drawn == (len(nodes) if page.renderer == "nodes 2.0" else 0)
    for i, node in enumerate(nodes):
        for other in nodes[i + 1 :]:
            assert overlap(node, other) <= STILL, (node, other)
        inside = [group for group in groups if overlap(node, group) > STILL]
        if node[0] == "Note":
            assert not inside, (node, inside)
            continue
        assert len(inside) == 1, (node, inside)
        ((_, left, top, right, bottom),) = inside
        fits = (
            left - STILL <= node[1]
            and top - STILL <= node[2]
            and node[3] <= right + STILL
            and node[4] <= bottom + STILL
        )
        assert fits, (node, inside)
