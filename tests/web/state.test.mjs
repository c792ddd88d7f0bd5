import assert from "node:assert/strict";
import { test } from "node:test";

import { coordStr, readTracks as readArrows } from "../../web/js/editor/formats.js";
import * as saved from "../../web/js/editor/saved_text.js";
import * as state from "../../web/js/editor/state.js";

const SAVED = {
  version: 1,
  ref: [200, 100],
  arrows: [
    { id: "a1", points: [[0.1, 0.2], [0.5, 0.2]], strength: 1.5 },
    { id: "pin", points: [[0.9, 0.9]], strength: 1 },
  ],
};

test("a saved text comes back as it was, unknown fields included", () => {
  const text = JSON.stringify({ ...SAVED, sigma: 40 });
  assert.equal(saved.serialize(saved.parse(text)), text);
  assert.equal(saved.serialize(saved.parse("  ")), "");
});

test("the picture's size is written in place of the saved one", () => {
  assert.deepEqual(JSON.parse(saved.serialize(saved.parse(JSON.stringify(SAVED)), [64, 32])).ref, [64, 32]);
});

test("a text of another version, or none of ours, is refused with the reason", () => {
  const refused = (text, reason) => assert.throws(() => saved.parse(text, [10, 10]), reason);
  refused('{"version": 3, "arrows": []}', /another version of the editor \(3/);
  refused("{", /not JSON/);
  refused("hello", /neither/);
  refused('{"version":1}', /no list/);
  refused('{"version":1,"arrows":[{"points":[]}]}', /arrow 1/);
  refused('{"version":1,"arrows":[{"points":[[1,null]]}]}', /arrow 1/);
  refused('{"version":1,"arrows":[{"points":[[0,0]],"strength":-1}]}', /strength -1/);
  refused(JSON.stringify({ version: 1, arrows: Array(4097).fill({ points: [[0, 0]] }) }), /4096/);
  assert.throws(() => saved.parse("[[{\"x\":1,\"y\":2}]]"), saved.SizeNeededError);
});

test("ids are made unique, points outside are brought to the border", () => {
  const read = saved.parse('{"version":1,"arrows":[{"id":"a1","points":[[2,0.5]]},{"id":"a1","points":[[0,-1]]}]}');
  assert.equal(new Set(read.arrows.map(({ id }) => id)).size, 2);
  assert.deepEqual(read.arrows.map(({ points }) => points), [[[1, 0.5]], [[0, 0]]]);
});

test("no operation changes the state that it is given", () => {
  const freeze = (value) => (Object.values(value).forEach((v) => v && typeof v === "object" && freeze(v)), Object.freeze(value));
  const before = freeze(saved.parse(JSON.stringify(SAVED)));
  state.added(before, [{ points: [[0, 0]] }]);
  state.moved(before, ["a1"], [0.1, 0.1]);
  state.pointMoved(before, "a1", 0, [0, 0]);
  state.pointInserted(before, "a1", 0, 0.5);
  state.strengthChanged(before, ["a1"], 0.1);
  state.removed(before, ["a1"]);
  state.cleared(before);
});

test("arrows are added under free ids, duplicated, removed", () => {
  let now = saved.parse(JSON.stringify(SAVED));
  let ids;
  [now, ids] = state.added(now, [{ points: [[0.123456789, 0.5], [0.2, 0.5]] }, { points: [[0, 0]], strength: 2 }]);
  assert.equal(new Set(now.arrows.map(({ id }) => id)).size, 4);
  assert.deepEqual(state.find(now, ids[0]), { id: ids[0], points: [[0.12346, 0.5], [0.2, 0.5]], strength: 1 });
  [now, ids] = state.duplicated(now, ["a1"], [0.02, 0.03]);
  assert.deepEqual(state.find(now, ids[0]).points, [[0.12, 0.23], [0.52, 0.23]]);
  assert.equal(state.find(now, ids[0]).strength, 1.5);
  assert.equal(state.removed(now, [ids[0], "pin"]).arrows.length, 3);
});

test("arrows that are moved against the border keep their shape", () => {
  const now = state.moved(saved.parse(JSON.stringify(SAVED)), ["a1", "pin"], [0.5, -0.5]);
  assert.deepEqual(now.arrows.map(({ points }) => points), [[[0.2, 0], [0.6, 0]], [[1, 0.7]]]);
});

test("points are bent, inserted and dropped; a pin without its point is gone", () => {
  let now = saved.parse(JSON.stringify(SAVED));
  now = state.pointInserted(now, "a1", 0, 0.25);
  assert.deepEqual(state.find(now, "a1").points, [[0.1, 0.2], [0.2, 0.2], [0.5, 0.2]]);
  now = state.pointMoved(now, "a1", 1, [0.3, 2]);
  assert.deepEqual(state.find(now, "a1").points[1], [0.3, 1]);
  now = state.pointRemoved(now, "a1", 0);
  assert.deepEqual(state.find(now, "a1").points, [[0.3, 1], [0.5, 0.2]]);
  assert.equal(state.find(state.pointRemoved(now, "pin", 0), "pin"), undefined);
});

test("a strength never falls below 0 and gathers no float dust", () => {
  let now = saved.parse(JSON.stringify(SAVED));
  for (let i = 0; i < 3; i++) now = state.strengthChanged(now, ["pin"], 0.1);
  assert.equal(state.find(now, "pin").strength, 1.3);
  assert.equal(state.find(state.strengthChanged(now, ["pin"], -5), "pin").strength, 0);
});

test("KJNodes, DragNUWA and Motion-I2V coordinates are read, in px", () => {
  const track = [[0.1, 0.2], [0.5, 0.2]];
  const size = [200, 100];
  const readTracks = (...all) => readArrows(...all)?.map(({ points }) => points) ?? null;
  assert.deepEqual(readTracks('[{"x":20,"y":20},{"x":100,"y":20}]', size), [track]);
  assert.deepEqual(readTracks("[[{'x':20,'y':20},{'x':100,'y':20}],[{'x':0,'y':0}]]", size), [track, [[0, 0]]]);
  assert.deepEqual(readTracks("[[[20,20],[60,20],[100,20]]]", size), [track]);
  assert.deepEqual(readTracks("20,20,100,20\n0,0,200,100\n", size), [track, [[0, 0], [1, 1]]]);
  assert.deepEqual(readTracks("[[[20,20],[20,20],[20,20]]]", size), [[[0.1, 0.2]]]);
  assert.deepEqual(readTracks("[]", size), []);
  for (const text of ["hello", "[[]]", "[1,2]", '{"a":1}', "1,2,3"]) assert.equal(readTracks(text, size), null);
});

test("ComfyUI's TRACKS become arrows of the same speed", () => {
  const track_path = [[[0, 0], [50, 50]], [[10, 0], [60, 50]], [[20, 0], [70, 50]], [[30, 0], [80, 50]], [[40, 0], [90, 50]]];
  const all = readArrows(JSON.stringify({ track_path }), [100, 100]);
  assert.deepEqual(all, [{ points: [[0, 0], [0.4, 0]], strength: 1 }, { points: [[0.5, 0.5], [0.9, 0.5]], strength: 1 }]);
  const track_visibility = [[true, false], [true, false], [true, false], [false, false], [false, false]];
  const seen = readArrows(JSON.stringify({ track_path, track_visibility }), [100, 100]);
  assert.deepEqual(seen, [{ points: [[0, 0], [0.2, 0]], strength: 2 }]);
  assert.equal(readArrows('{"track_path": [[[0, 0]], [[0, 0], [1, 1]]]}', [100, 100]), null);
});

test("coordinates with one point a frame go at a constant speed to where the strength leads", () => {
  const { arrows } = saved.parse(JSON.stringify(SAVED));
  const [track, pin] = JSON.parse(coordStr(arrows, [200, 100], { frames: 4 }));
  assert.deepEqual(track, [20, 60, 100, 140].map((x) => ({ x, y: 20 })));
  assert.deepEqual(pin, Array(4).fill({ x: 180, y: 90 }));
});

test("coordinates with one point a frame keep the arrow's own pace", () => {
  const { arrows } = saved.parse(JSON.stringify({ ...SAVED, version: 2, arrows: [{ ...SAVED.arrows[0], timing: "sway" }] }));
  const [track] = JSON.parse(coordStr(arrows, [200, 100], { frames: 4 }));
  assert.deepEqual(track, [20, 80, 140, 80].map((x) => ({ x, y: 20 })));
});

test("coordinates that are written end where the strength leads", () => {
  const { arrows } = saved.parse(JSON.stringify(SAVED));
  assert.equal(coordStr(arrows, [200, 100]), '[[{"x":20,"y":20},{"x":140,"y":20}],[{"x":180,"y":90}]]');
});
