import assert from "node:assert/strict";
import { test } from "node:test";

import { renamePasted, renameSockets } from "../../web/js/sockets.js";

const DEFINITIONS = {
  DriftfieldEstimateFlow: { input: { required: { images: ["IMAGE", {}] }, optional: { model: ["OPTICAL_FLOW", {}] } }, output: ["DRIFTFIELD_FLOW"] },
  DriftfieldPreviewFlow: { input: { required: { flow: ["DRIFTFIELD_FLOW", {}] } }, output: ["IMAGE"] },
  OpticalFlowLoader: { input: { required: {} }, output: ["OPTICAL_FLOW"] },
};
const estimate = (links, model = null) => ({
  id: 1,
  type: "DriftfieldEstimateFlow",
  inputs: [{ name: "images", type: "IMAGE", link: null }, { name: "model", type: "OPTICAL_FLOW", link: model }],
  outputs: [{ name: "flow", type: "OPTICAL_FLOW", links }],
});
const preview = (link) => ({ id: 3, type: "DriftfieldPreviewFlow", inputs: [{ name: "flow", type: "OPTICAL_FLOW", link }], outputs: [] });
const types = ({ inputs = [], outputs = [] }) => [...inputs, ...outputs].map(({ type }) => type);

test("flows get the new name through a reroute, core's network keeps its own", () => {
  const loader = { id: 4, type: "OpticalFlowLoader", outputs: [{ name: "OPTICAL_FLOW", type: "OPTICAL_FLOW", links: [3] }] };
  const reroute = { id: 2, type: "Reroute", inputs: [{ name: "", type: "*", link: 1 }], outputs: [{ name: "", type: "OPTICAL_FLOW", links: [2] }] };
  const workflow = {
    nodes: [reroute, loader, preview(2), estimate([1], 3)],
    links: [[1, 1, 0, 2, 0, "OPTICAL_FLOW"], [2, 2, 0, 3, 0, "OPTICAL_FLOW"], [3, 4, 0, 1, 1, "OPTICAL_FLOW"]],
  };
  renameSockets(workflow, DEFINITIONS);
  assert.deepEqual(workflow.links.map((link) => link[5]), ["DRIFTFIELD_FLOW", "DRIFTFIELD_FLOW", "OPTICAL_FLOW"]);
  assert.deepEqual(workflow.nodes.map(types), [
    ["*", "DRIFTFIELD_FLOW"],
    ["OPTICAL_FLOW"],
    ["DRIFTFIELD_FLOW"],
    ["IMAGE", "OPTICAL_FLOW", "DRIFTFIELD_FLOW"],
  ]);
});

test("a subgraph's own slots follow what is connected to them", () => {
  const inner = {
    id: "inner",
    nodes: [estimate([1])],
    links: [{ id: 1, origin_id: 1, origin_slot: 0, target_id: -20, target_slot: 0, type: "OPTICAL_FLOW" }],
    inputs: [],
    outputs: [{ name: "flow", type: "OPTICAL_FLOW", linkIds: [1] }],
  };
  const instance = { id: 7, type: "inner", inputs: [], outputs: [{ name: "flow", type: "OPTICAL_FLOW", links: [5] }] };
  const workflow = { nodes: [instance, preview(5)], links: [[5, 7, 0, 3, 0, "OPTICAL_FLOW"]], definitions: { subgraphs: [inner] } };
  renameSockets(workflow, DEFINITIONS);
  assert.deepEqual([...types(inner), inner.links[0].type, ...types(instance), workflow.links[0][5]], Array(4).fill("DRIFTFIELD_FLOW"));
});

test("what is put into an open graph is renamed before, its subgraphs too", () => {
  const put = [];
  const canvas = { _deserializeItems: (...all) => put.push(all) && "result" };
  renamePasted(canvas, () => DEFINITIONS);
  const instance = { id: 7, type: "inner", outputs: [{ name: "flow", type: "OPTICAL_FLOW", links: null }] };
  const inner = {
    id: "inner",
    nodes: [estimate([1])],
    links: [{ id: 1, origin_id: 1, origin_slot: 0, target_id: -20, target_slot: 0, type: "OPTICAL_FLOW" }],
    outputs: [{ name: "flow", type: "OPTICAL_FLOW", linkIds: [1] }],
  };
  const items = { nodes: [preview(null), instance], subgraphs: [inner] };
  assert.equal(canvas._deserializeItems(items, { position: [1, 2] }), "result");
  assert.deepEqual(put, [[items, { position: [1, 2] }]]);
  assert.deepEqual([...items.nodes.flatMap(types), ...types(inner)], Array(3).fill("DRIFTFIELD_FLOW"));
  canvas._deserializeItems({ nodes: [preview(null)] }, {});
  assert.deepEqual(types(put[1][0].nodes[0]), ["DRIFTFIELD_FLOW"]);
});

test("a workflow without our nodes stays as it is", () => {
  const workflow = { nodes: [{ id: 1, type: "Other", outputs: [{ name: "a", type: "ANIMATION", links: [1] }] }], links: [[1, 1, 0, 2, 0, "ANIMATION"]] };
  const before = JSON.stringify(workflow);
  renameSockets(workflow, {});
  assert.equal(JSON.stringify(workflow), before);
});
