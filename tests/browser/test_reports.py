"""Reports on their nodes, once, in every front end and renderer, and not in what a workflow saves."""

import random

GRAPH = """(() => {
    const ours = ["DrawMotionArrows", "ArrowsToSparseFlow", "MotionStrength"].map((name) => `Driftfield${name}`);
    const names = ["LoadImage", ...ours];
    app.graph.clear();
    const [load, draw, sparse, measure] = names.map((name, i) => {
        const node = LiteGraph.createNode(name);
        node.pos = [500 * i, 100];
        app.graph.add(node);
        return node;
    });
    const input = (node, name) => node.inputs.findIndex((slot) => slot.name === name);
    load.connect(0, draw, input(draw, "image"));
    draw.connect(0, sparse, input(sparse, "motion_arrows"));
    sparse.connect(0, measure, input(measure, "flow"));
    const preview = LiteGraph.createNode("DriftfieldPreviewFlow"); // something to run for
    app.graph.add(preview);
    preview.pos = [2000, 100];
    sparse.connect(0, preview, input(preview, "flow"));
    load.widgets.find(({ name }) => name === "image").value = "red.png";
    draw.widgets.find(({ name }) => name === "arrows").value = ARROWS;
    const strength = LiteGraph.createNode("PreviewAny");
    app.graph.add(strength);
    strength.pos = [2400, 100];
    measure.connect(0, strength, 0);
    window.driftfield_measure = measure;
    app.canvas.ds.offset = [-1300, 100];
    app.canvas.ds.scale = 0.7;
    app.graph.setDirtyCanvas(true, true);
})()"""
REPORT = "[...document.querySelectorAll('.driftfield-report')].map((shown) => shown.textContent)"


def test_a_report_is_on_its_node_once_and_is_not_saved(page):
    head = random.uniform(0.5, 0.9)  # another one each time: what ComfyUI has cached it does not show again
    arrows = f'{{"version":1,"arrows":[{{"points":[[0.1,0.5],[{head},0.5]]}}]}}'
    page.evaluate(GRAPH.replace("ARROWS", repr(arrows)))
    page.wait_for("document.querySelectorAll('.driftfield-report').length === 1")
    page.evaluate("app.queuePrompt(0)")
    page.wait_for(f"{REPORT}[0]?.endsWith(' %')", timeout_s=60)
    other = "({ name, value }) => name !== 'driftfield_report' && /%/.test(value)"
    assert page.evaluate(f"window.driftfield_measure.widgets.filter({other}).length") == 0
    box = page.evaluate(
        "(({ width, height }) => [width, height])(document.querySelector('.driftfield-report').getBoundingClientRect())"
    )
    assert min(box) > 40 * 0.7  # at this zoom
    saved = page.evaluate("JSON.stringify(app.graph.serialize())")
    assert "driftfield_report" not in saved and " %" not in saved
