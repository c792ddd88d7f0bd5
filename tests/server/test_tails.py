"""ComfyUI runs what is behind *tails* once for each arrow, and once where there are none."""

import json

import pytest


@pytest.mark.parametrize(
    ("arrows", "tails"),
    [
        ([[[0.25, 0.5], [0.75, 0.5]], [[0.9, 0.9]], [[0.5, 0.5], [0.5, 0.75]]], [[16, 32], [32, 32]]),
        ([[[0.25, 0.5], [0.75, 0.5]]], [[16, 32]]),
        ([], []),
    ],
    ids=["two and a pin", "one", "none"],
)
def test_a_node_behind_tails(client, still, arrows, tails):
    text = json.dumps({"version": 1, "arrows": [{"points": points} for points in arrows]})
    prompt = {
        "still": {"class_type": "LoadImage", "inputs": {"image": still}},
        "draw": {"class_type": "DriftfieldDrawMotionArrows", "inputs": {"image": ["still", 0], "arrows": text}},
        "show": {"class_type": "PreviewAny", "inputs": {"source": ["draw", 4]}},
    }
    shown = [json.loads(text) for text in client.run(prompt).outputs["show"]["text"]]
    assert shown == ([[{"x": x, "y": y}] for x, y in tails] or [[]])
