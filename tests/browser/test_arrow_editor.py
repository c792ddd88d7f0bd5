"""The arrow editor in ComfyUI's own front end, under a real pointer and keyboard."""

import json

import numpy as np
import pytest
from editor_hand import CTRL, DRAW, SHIFT

SIZE = 64  # px, the stills here


def close(paths, expected) -> bool:
    """Whether places agree to 1.5 px of the still, and there are as many."""
    if [len(path) for path in paths] != [len(path) for path in expected]:
        return False
    return all(np.abs(np.subtract(a, b)).max() < 1.5 / SIZE for a, b in zip(paths, expected, strict=True))


def test_the_picture_is_there_before_anything_has_run_and_follows_a_change(page, hand):
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'blue.png'")
    hand.wait_for_pixel(2, 150)
    page.evaluate("window.driftfield_load.disconnectOutput(0)")
    hand.wait_for_pixel(2, 0, 100)


@pytest.mark.parametrize("scale", [1.0, 0.7, 1.3])
def test_what_is_drawn_bent_and_made_stronger_is_queued_exactly(page, hand, scale):
    hand.take("window.driftfield_node", scale)
    hand.drag((0.2, 0.3), (0.5, 0.3), (0.8, 0.3))
    assert close(hand.paths(), [[[0.2, 0.3], [0.8, 0.3]]])
    hand.double_click((0.5, 0.3))  # puts a point there
    hand.drag((0.5, 0.3), (0.5, 0.5), (0.5, 0.6))
    assert close(hand.paths(), [[[0.2, 0.3], [0.5, 0.6], [0.8, 0.3]]])
    bent = hand.text
    hand.wheel((0.2, 0.3), 3)
    assert hand.arrows[0]["strength"] == 1.3
    hand.key("z", CTRL)
    assert hand.text == bent
    hand.key("y", CTRL)
    assert hand.arrows[0]["strength"] == 1.3
    hand.key("z", CTRL)
    hand.key("z", CTRL)
    hand.key("z", CTRL | SHIFT)
    assert hand.text == bent == hand.queued()
    assert json.loads(bent)["ref"] == [SIZE, SIZE]
    assert page.evaluate("app.graph.nodes.length") == 3  # undo stayed inside the editor


def test_pins_curves_and_many_at_once(page, hand):
    hand.click((0.1, 0.9))
    curve = [(0.2 + 0.02 * i, 0.5 - 0.2 * np.sin(i * np.pi / 30)) for i in range(31)]
    hand.drag(*curve, modifiers=SHIFT)
    hand.drag((0.3, 0.8), (0.6, 0.8), (0.7, 0.8))
    pin, curved, straight = hand.paths()
    assert close([pin, straight], [[[0.1, 0.9]], [[0.3, 0.8], [0.7, 0.8]]])
    assert 4 < len(curved) < 31 and min(y for _, y in curved) == pytest.approx(0.3, abs=0.03)

    hand.drag((0.05, 0.97), (0.5, 0.8), (0.9, 0.7), modifiers=CTRL)
    hand.key("ArrowRight")
    assert close(hand.paths(), [[[0.1 + 1 / SIZE, 0.9]], curved, [[0.3 + 1 / SIZE, 0.8], [0.7 + 1 / SIZE, 0.8]]])
    hand.key("d", CTRL)
    assert len(hand.arrows) == 5
    hand.key("Delete")
    assert [len(path) for path in hand.paths()] == [1, len(curved), 2]
    hand.press("clear")
    assert hand.text == hand.queued() == ""
    hand.key("z", CTRL)
    assert len(hand.arrows) == 3
    assert page.evaluate("app.graph.nodes.length") == 3


def test_a_click_again_selects_the_arrow_underneath(hand):
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    hand.drag((0.5, 0.2), (0.5, 0.35), (0.5, 0.8), modifiers=SHIFT)
    for _ in range(2):
        hand.click((0.5, 0.5))
        hand.wheel((0.5, 0.5), 1)
    assert sorted(arrow["strength"] for arrow in hand.arrows) == [1.1, 1.1]


def test_copies_and_pastes_our_arrows_and_kjnodes_coordinates(hand):
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.75, 0.5))
    copied = hand.clipboard("copy")
    assert json.loads(copied)["arrows"] == hand.arrows
    hand.clipboard("paste", json.dumps([[{"x": 16, "y": 32}, {"x": 48, "y": 32}], [{"x": 8, "y": 8}]]))
    hand.clipboard("paste", copied)
    assert close(hand.paths()[1:], [[[0.25, 0.5], [0.75, 0.5]], [[0.125, 0.125]], [[0.2, 0.5], [0.75, 0.5]]])


def test_a_workflow_that_is_saved_and_opened_holds_the_same_arrows(page, hand):
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    hand.wheel((0.7, 0.6), 2)
    drawn = hand.text
    page.evaluate("window.driftfield_saved = JSON.parse(JSON.stringify(app.graph.serialize()))")
    saved = page.evaluate("window.driftfield_saved.nodes.find(({ id }) => id === 2).widgets_values")
    assert saved == [drawn]
    page.evaluate("app.loadGraphData(window.driftfield_saved)")
    hand.take()
    assert hand.text == drawn == hand.queued()
    hand.click((0.2, 0.2))
    hand.key("Delete")  # the editor, too, has it
    assert hand.text == ""


def test_a_text_that_cannot_be_read_is_shown_and_left_alone(page, hand):
    newer = '{"version": 7, "arrows": []}'
    page.evaluate(f"window.driftfield_node.widgets.find(({{ name }}) => name === 'arrows').value = {json.dumps(newer)}")
    page.wait_for("document.querySelector('.df-problem:not([hidden])')?.textContent.includes('another version')")
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    assert hand.text == newer == hand.queued()


def test_the_editor_speaks_the_language_of_the_page(page, hand):
    button = "document.querySelector('.driftfield-editor [data-action=playing]')"
    shown = f"[{button}.title, {button}.textContent, document.querySelector('.df-count').textContent]"
    languages = {
        "zh": ["让图像沿光流移动，粗略预览（P）", "运动", "0 个箭头"],
        "ja": ["Motion, a rough preview (P)", "motion", "0 arrows"],
    }

    def speak(language):
        """ComfyUI opens the graph anew, a while after."""
        page.evaluate(f"void (window.driftfield_before = app.graph.nodes.find({DRAW}))")
        page.evaluate(f"app.extensionManager.setting.set('Comfy.Locale', '{language}')")
        page.wait_for(f"![undefined, window.driftfield_before].includes(app.graph.nodes.find({DRAW})) && {button}")

    try:
        for language, texts in languages.items():
            speak(language)
            wanted = json.dumps(json.dumps(texts, ensure_ascii=False, separators=(",", ":")))
            page.wait_for(f"JSON.stringify({shown}) === {wanted}")
    finally:
        speak("en")
        page.wait_for(f"{button}.textContent === 'motion'")
