import assert from "node:assert/strict";
import { test } from "node:test";

import * as objects from "../../web/js/editor/objects.js";
import * as saved from "../../web/js/editor/saved_text.js";
import { Session } from "../../web/js/editor/session.js";
import * as state from "../../web/js/editor/state.js";

const mask = (...runs) => ({ size: [4, 2], runs });
const [LEFT, RIGHT] = [mask(0, 2, 2, 2, 2), mask(2, 2, 2, 2)];
const arrow = (id, more = {}) => ({ id, points: [[0.1, 0.2], [0.5, 0.2]], strength: 1, ...more });
const TWO = {
  version: 2,
  ref: [200, 100],
  arrows: [arrow("a", { object: 2 }), arrow("b", { timing: "sway" }), arrow("c", { object: 1, timing: "ease" })],
  objects: [LEFT, RIGHT],
};
const read = (value) => saved.parse(JSON.stringify(value));
const numbers = ({ arrows }) => Object.fromEntries(arrows.map(({ id, object = null }) => [id, object]));

function editor(value) {
  const session = new Session({ onView() {} });
  session.stage = [400, 400];
  session.setText(JSON.stringify(value));
  return session;
}

test("version 2 comes back as it was, unknown fields included", () => {
  const text = JSON.stringify({ ...TWO, arrows: TWO.arrows.map((entry) => ({ note: 1, ...entry })), sigma: 40 });
  assert.equal(saved.serialize(saved.parse(text)), text);
});

test("version 1 is written as it was while nothing needs version 2, whatever it keeps of version 2's names", () => {
  const odd = { version: 1, ref: [4, 2], arrows: [{ object: 7, note: 1, timing: "later", ...arrow("a") }], objects: 3, sigma: 40 };
  const text = JSON.stringify(odd);
  const before = saved.parse(text);
  assert.deepEqual(numbers(before), { a: null });
  assert.equal(saved.serialize(before), text);
  const later = JSON.parse(saved.serialize(objects.given(before, ["a"], LEFT)));
  assert.deepEqual(later, { version: 2, ref: [4, 2], arrows: [{ note: 1, ...arrow("a"), object: 1 }], objects: [LEFT], sigma: 40 });
  assert.equal(JSON.parse(saved.serialize(objects.timed(before, ["a"], "ease"))).version, 2);
  assert.equal(saved.serialize(objects.timed(objects.timed(before, ["a"], "ease"), ["a"], "steady")), text);
});

test("an object that loses its last arrow goes, and the others are numbered anew", () => {
  const before = read(TWO);
  const without = state.removed(before, ["c"]);
  assert.deepEqual([numbers(without), without.objects], [{ a: 1, b: null }, [RIGHT]]);
  const released = objects.released(before, ["a", "b"]);
  assert.deepEqual([numbers(released), released.objects], [{ a: null, b: null, c: 1 }, [LEFT]]);
  const shared = objects.shared(before, ["a", "b"], 1);
  assert.deepEqual([numbers(shared), shared.objects], [{ a: 1, b: 1, c: 1 }, [LEFT]]);
  const given = objects.given(before, ["c"], RIGHT);
  assert.deepEqual([numbers(given), given.objects], [{ a: 1, b: null, c: 2 }, [RIGHT, RIGHT]]);
  assert.equal(saved.serialize(before), JSON.stringify(TWO));
});

test("copies keep their timing and their object; what is pasted brings its object along", () => {
  const [copied, ids] = state.duplicated(read(TWO), ["b", "c"], [0.1, 0.1]);
  assert.deepEqual(ids.map((id) => state.find(copied, id)).map(({ object, timing }) => [object, timing]), [[undefined, "sway"], [1, "ease"]]);
  assert.equal(copied.objects.length, 2);

  const from = editor(TWO);
  from.select(["a", "b"]);
  const text = from.copied();
  assert.deepEqual(JSON.parse(text).objects, [RIGHT]);
  const other = editor({ version: 1, arrows: [arrow("z")] });
  assert.equal(other.paste(text), 2);
  const { arrows, objects: masks } = other.document.state;
  assert.deepEqual([arrows.map(({ object, timing }) => [object, timing]), masks], [[[undefined, undefined], [1, undefined], [undefined, "sway"]], [RIGHT]]);
  assert.equal(from.paste(text), 2);
  assert.equal(from.document.state.objects.length, 2, "the same mask is the same thing");
  from.document.undo();
  assert.equal(from.document.text, JSON.stringify(TWO));
});

test("no more objects than 64, and the arrows of those stay away", () => {
  const masks = Array.from({ length: 64 }, (_, i) => mask(1, 1, 6 - (i % 2), i % 2));
  const full = editor({ version: 2, arrows: masks.map((_, i) => arrow(`a${i}`, { object: i + 1 })), objects: masks });
  assert.equal(full.paste(JSON.stringify({ version: 2, arrows: [arrow("p", { object: 1 }), arrow("q")], objects: [RIGHT] })), 1);
  assert.throws(() => read({ ...TWO, objects: Array(65).fill(LEFT) }), /65 objects, at most 64/);
});

test("a text with a bad object is refused with the reason", () => {
  const refused = (changes, reason) => assert.throws(() => read({ ...TWO, ...changes }), reason);
  refused({ objects: {} }, /objects are not a list/);
  refused({ objects: [LEFT, { size: [0, 2], runs: [] }] }, /object 2: size \[0,2\]/);
  refused({ objects: [mask(1.5), LEFT] }, /object 1: its runs/);
  refused({ objects: [mask(3), LEFT] }, /object 1: .*3 pixels, 4 × 2 has 8/);
  refused({ objects: [LEFT] }, /arrow 1: object 2; the text has 1/);
  refused({ arrows: [arrow("a", { timing: "later" })] }, /arrow 1: timing "later"/);
});

test("masks can be undone, and clearing takes all", () => {
  const session = editor(TWO);
  const { document } = session;
  document.commit(objects.withMask(document.state, 2, null));
  assert.deepEqual(document.state.objects[1], mask(8));
  document.undo();
  assert.equal(document.text, JSON.stringify(TWO));
  document.clear();
  assert.equal(document.text, "");
  document.undo();
  assert.equal(document.text, JSON.stringify(TWO));
});

test("an object is found at a point, the topmost first", () => {
  const drawn = read({ ...TWO, objects: [LEFT, mask(0, 1, 7)] });
  assert.deepEqual([[0.1, 0.1], [0.4, 0.9], [0.9, 0.9], [1, 1], [-0.1, 0]].map((at) => objects.objectAt(drawn, at)), [2, 1, null, null, null]);
});
