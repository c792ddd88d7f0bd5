import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as saved from "../../web/js/editor/saved_text.js";
import * as state from "../../web/js/editor/state.js";

const CASES = JSON.parse(readFileSync(new URL("../arrow_texts.json", import.meta.url), "utf8"));
const LIMIT = 1024 * 1024;

function assertClose(actual, expected) {
  if (!Array.isArray(expected)) return assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`);
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assertClose(actual[i], value));
}

for (const { what, text, width, height, arrows } of CASES) {
  test(`the editor reads as the node does: ${what}`, () => {
    const read = () => saved.parse(text, [width, height]).arrows;
    if (arrows === "error") return assert.throws(read, saved.UnreadableError);
    const found = read();
    assertClose(found.map(({ points }) => points), arrows.map(({ points }) => points));
    assertClose(found.map(({ strength }) => strength), arrows.map(({ strength }) => strength));
    const manner = ({ object = null, timing = "steady" }) => [object, timing];
    assert.deepEqual(found.map(manner), arrows.map(manner));
  });
}

test("as many bytes are read as by the node", () => {
  assert.deepEqual(saved.parse(" ".repeat(LIMIT)), state.empty);
  for (const text of [" ".repeat(LIMIT + 1), "é".repeat(LIMIT / 2 + 1)]) assert.throws(() => saved.parse(text), /1 MB/);
});

test("a text in px that is edited keeps its other points to the last digit", () => {
  const text = "[[[17,23],[101,57],[33,80.3]],[[1,2],[133,41]]]";
  const before = saved.parse(text, [199, 101]);
  const [edited] = state.added(before, [{ points: [[0.123456789, 0.5]] }]);
  const again = saved.parse(saved.serialize(edited, [199, 101]), [199, 101]);
  assert.deepEqual(again.arrows.slice(0, 2), before.arrows);
  assert.deepEqual(before.arrows[0].points, [[17 / 199, 23 / 101], [101 / 199, 57 / 101], [33 / 199, 80.3 / 101]]);
});
