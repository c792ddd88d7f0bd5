import assert from "node:assert/strict";
import { test } from "node:test";

import * as region from "../../web/js/editor/region.js";
import * as saved from "../../web/js/editor/saved_text.js";
import * as state from "../../web/js/editor/state.js";

const SQUARE = { radius: 0.25, shape: [100, 100] };
const count = (painted) => region.pixelsOf(painted).reduce((sum, value) => sum + value, 0);

test("runs and pixels are the same thing", () => {
  const data = Uint8Array.from([0, 1, 1, 1, 0, 1]);
  const painted = region.regionFrom([3, 2], data);
  assert.deepEqual(painted, { size: [3, 2], runs: [1, 3, 1, 1] });
  assert.deepEqual(region.pixelsOf({ size: [3, 2], runs: [1, 3, 1, 1] }), data);
  assert.deepEqual(region.regionFrom([2, 1], Uint8Array.from([1, 1])).runs, [0, 2]);
  assert.equal(region.regionFrom([2, 2], new Uint8Array(4)), null);
});

test("a dab is a disc of the brush's radius in the picture's own measure", () => {
  const dab = region.stroked(null, [0.5, 0.5], [0.5, 0.5], { ...SQUARE, value: 1 });
  assert.deepEqual(dab.size, [100, 100]);
  assert.ok(Math.abs(count(dab) - Math.PI * 25 ** 2) < 25);
  const wide = region.stroked(null, [0.5, 0.5], [0.5, 0.5], { radius: 0.1, value: 1, shape: [2000, 1000] });
  assert.deepEqual(wide.size, [512, 256]);
  assert.ok(Math.abs(count(wide) - Math.PI * 51.2 ** 2) < 60);
});

test("a stroke is the two dabs and what lies between, at its own resolution on another picture", () => {
  const stroke = region.stroked(null, [0.3, 0.5], [0.7, 0.5], { radius: 0.1, shape: [100, 100], value: 1 });
  assert.ok(Math.abs(count(stroke) - (Math.PI * 100 + 40 * 20)) < 25);
  const more = region.stroked(stroke, [0.5, 0.1], [0.5, 0.1], { radius: 0.1, shape: [400, 200], value: 1 });
  assert.deepEqual(more.size, [100, 100]);
  assert.ok(Math.abs(count(more) - count(stroke) - Math.PI * 10 * 20 + 0.1 * 20 * 10) < 120); // an ellipse, cut at the top
});

test("erasing takes away, erasing all of it leaves no region, and nothing is changed in place", () => {
  const dab = Object.freeze(region.stroked(null, [0.5, 0.5], [0.5, 0.5], { ...SQUARE, value: 1 }));
  const before = JSON.stringify(dab);
  const half = region.stroked(dab, [0.75, 0.5], [0.75, 0.5], { ...SQUARE, value: 0 });
  assert.ok(count(half) < count(dab) && count(half) > 0);
  assert.equal(region.stroked(dab, [0.5, 0.5], [0.5, 0.5], { radius: 0.3, value: 0, shape: [100, 100] }), null);
  assert.equal(count(region.inverted(dab)), 10000 - count(dab));
  assert.equal(JSON.stringify(dab), before);
});

test("the text holds it; older texts have none, clearing removes it", () => {
  const painted = region.stroked(null, [0.5, 0.5], [0.5, 0.5], { ...SQUARE, value: 1 });
  const drawn = { ...state.empty, region: painted };
  const text = saved.serialize(drawn, [100, 100]);
  assert.deepEqual(saved.parse(text).region, painted);
  assert.ok(text.length < 500);
  assert.equal(saved.parse('{"version":1,"arrows":[]}').region, null);
  assert.equal(saved.serialize(state.cleared(drawn)), "");
});

test("a region that cannot be read is refused with the reason", () => {
  const refused = (given, reason) =>
    assert.throws(() => saved.parse(JSON.stringify({ version: 1, arrows: [], region: given })), reason);
  refused({ size: [0, 2], runs: [] }, /region: size/);
  refused({ size: [5000, 1], runs: [5000] }, /region: size/);
  refused({ size: [2, 2], runs: [1.5] }, /whole numbers/);
  refused({ size: [2, 2], runs: [3] }, /3 pixels/);
  refused(7, /region/);
});
