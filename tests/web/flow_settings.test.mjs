import assert from "node:assert/strict";
import { test } from "node:test";

import { flowSettings } from "../../web/js/flow_settings.js";

const t = (/** @type {string} */ name) => name;
const widgets = (values) => Object.entries(values).map(([name, value]) => ({ name, value }));
const node = (id, type, inputs, values = {}) => ({ id, type, inputs: inputs.map((name) => ({ name })), widgets: widgets(values) });

/** A graph of nodes and links [from, slot, to, input name]. */
function graphOf(nodes, links) {
  const graph = {
    nodes,
    links: new Map(
      links.map(([from, slot, to, name], i) => [
        i,
        { id: i, origin_id: from, origin_slot: slot, target_id: to, target_slot: nodes.find(({ id }) => id === to).inputs.findIndex((input) => input.name === name) },
      ]),
    ),
    getNodeById: (id) => nodes.find((each) => each.id === id),
  };
  for (const each of nodes) {
    each.graph = graph;
    each.isInputConnected = (i) => [...graph.links.values()].some(({ target_id, target_slot }) => target_id === each.id && target_slot === i);
  }
  return { graph, nodeOutputs: {}, api: { apiURL: (path) => path } };
}

const draw = () => node(1, "DriftfieldDrawMotionArrows", []);
const sparse = () => node(2, "DriftfieldArrowsToSparseFlow", ["motion_arrows"], { frames: 14, width: 0, height: 0 });
const dense = () => node(3, "DriftfieldDensifyFlow", ["sparse_flow", "region"], { sigma: 0, threshold: 0.05, mode: "faded" });
const enliven = (id, kind, seed) => node(id, "DriftfieldEnliven", ["region", "flow"], { kind, seed, amplitude: -1, size: 0, period: 0, reset: 0 });
const FLOW = [[1, 0, 2, "motion_arrows"], [2, 0, 3, "sparse_flow"], [1, 3, 3, "region"]];

test("what lives is read from the Enliven nodes behind the arrows, in their order", () => {
  const nodes = [draw(), sparse(), dense(), enliven(4, "running water", 7), enliven(5, "clouds or smoke", 8)];
  const app = graphOf(nodes, [...FLOW, [3, 0, 4, "flow"], [1, 3, 4, "region"], [4, 0, 5, "flow"]]);
  const { living, note, frames } = flowSettings(app, nodes[0], t);
  assert.equal(frames, 14);
  assert.deepEqual(living.map(({ kind, seed, region }) => [kind, seed, region]), [["running water", 7, "painted"], ["clouds or smoke", 8, null]]);
  assert.match(note, /running water · clouds or smoke/);
});

test("they are found behind Refine Flow, too", () => {
  const refine = node(6, "DriftfieldRefineFlow", ["flow"]);
  const nodes = [draw(), sparse(), dense(), refine, enliven(4, "calm water", 7)];
  const app = graphOf(nodes, [...FLOW, [3, 0, 6, "flow"], [6, 0, 4, "flow"], [1, 3, 4, "region"]]);
  assert.deepEqual(flowSettings(app, nodes[0], t).living.map(({ kind }) => kind), ["calm water"]);
});

test("a painted region lives without any arrow's flow", () => {
  const nodes = [draw(), enliven(4, "calm water", 7)];
  const { living } = flowSettings(graphOf(nodes, [[1, 3, 4, "region"]]), nodes[0], t);
  assert.deepEqual(living.map(({ kind, region }) => [kind, region]), [["calm water", "painted"]]);
});

test("without Enliven nothing lives", () => {
  const nodes = [draw(), sparse(), dense()];
  assert.deepEqual(flowSettings(graphOf(nodes, FLOW), nodes[0], t).living, []);
});
