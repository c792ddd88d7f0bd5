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
    Object.assign(window, { driftfield_measure: measure, driftfield_draw: draw });
    app.canvas.ds.offset = [-1300, 100];
    app.canvas.ds.scale = 0.7;
    app.graph.setDirtyCanvas(true, true);
})()"""
MEASURE = "app.graph.nodes.find(({ type }) => type === 'DriftfieldMotionStrength')"
SHOWN = "widgets.find(({ name }) => name === 'driftfield_report').element.textContent"


def other_arrows() -> str:
    """Not the same twice: what ComfyUI has cached it does not show again."""
    return f'{{"version":1,"arrows":[{{"points":[[0.1,0.5],[{random.uniform(0.2, 1.0)},0.5]]}}]}}'


def run_a_report(page) -> None:
    """Queues a graph with a report, and waits for it."""
    page.evaluate(GRAPH.replace("ARROWS", repr(other_arrows())))
    page.evaluate("app.queuePrompt(0)")
    page.wait_for(f"driftfield_measure.{SHOWN}.endsWith(' %')", timeout_s=60)


def test_a_report_is_on_its_node_once_and_is_not_saved(page):
    run_a_report(page)
    assert page.evaluate("document.querySelectorAll('.driftfield-report').length") == 1
    other = "({ name, value }) => name !== 'driftfield_report' && /%/.test(value)"
    assert page.evaluate(f"window.driftfield_measure.widgets.filter({other}).length") == 0
    box = "document.querySelector('.driftfield-report').getBoundingClientRect()"
    page.wait_for(f"Math.min({box}.width, {box}.height) > 40 * 0.7", timeout_s=20)  # at this zoom
    saved = page.evaluate("JSON.stringify(app.graph.serialize())")
    assert "driftfield_report" not in saved and " %" not in saved


def test_it_is_still_there_when_its_tab_is_opened_again(page):
    # The front end keeps for a tab only what comes after the server's answer to the prompt: of a quick run not all.
    kept = "driftfield_measure.id in (app.extensionManager.workflow.activeWorkflow.changeTracker.nodeOutputs ?? {})"
    for _ in range(20):
        run_a_report(page)
        if page.evaluate(kept):
            break
    command = "app.extensionManager.command.execute"
    tab = "app.extensionManager.workflow.activeWorkflow.path"
    left = page.evaluate(tab)
    page.evaluate(f"{command}('Comfy.NewBlankWorkflow')")
    page.wait_for(f"{tab} !== {left!r}")  # the front end changes the graph first, then the tab
    page.evaluate(f"{command}('Workspace.PreviousOpenedWorkflow')")
    page.wait_for(f"{MEASURE}?.{SHOWN}.endsWith(' %')", timeout_s=20)


def test_inside_a_subgraph_it_is_its_own_nodes_report(page):
    run_a_report(page)
    page.evaluate(
        "void (window.driftfield_inner = app.graph.convertToSubgraph(new Set([driftfield_measure])).subgraph)"
    )
    before = page.evaluate(f"driftfield_inner.nodes[0].{SHOWN}")
    page.evaluate(f"void (driftfield_draw.widgets.find(({{ name }}) => name === 'arrows').value = {other_arrows()!r})")
    page.evaluate("app.queuePrompt(0)")
    shown = f"driftfield_inner.nodes[0].{SHOWN}"
    page.wait_for(f"{shown}.endsWith(' %') && {shown} !== {before!r}", timeout_s=60)
    page.evaluate("app.canvas.setGraph(app.graph.rootGraph ?? app.graph)")
