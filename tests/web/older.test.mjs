import assert from "node:assert/strict";
import { test } from "node:test";

import { fillAbsent } from "../../web/js/older.js";

const DEFINITION = { input: { optional: { size: ["INT", { default: -1, absent: 0 }], other: ["INT", { default: 5 }] } } };
const node = () => ({
  widgets: [{ name: "seed", value: 7 }, { name: "shown", serialize: false }, { name: "size", value: -1 }, { name: "other", value: 5 }],
});
const values = ({ widgets }) => widgets.map(({ value }) => value);

test("a saved node that has no value for a widget means what it meant", () => {
  const old = node();
  fillAbsent(old, { widgets_values: [7] }, DEFINITION);
  assert.deepEqual(values(old), [7, undefined, 0, 5]);
});

test("what was saved, what is new and what is not known stay", () => {
  for (const [saved, definition] of [[{ widgets_values: [7, -1, 5] }, DEFINITION], [{}, DEFINITION], [{ widgets_values: [7] }, undefined]]) {
    const kept = node();
    fillAbsent(kept, saved, definition);
    assert.deepEqual(values(kept), [7, undefined, -1, 5]);
  }
});
