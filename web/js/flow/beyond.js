// @ts-check
/**
 * How far a motion looks beyond the picture, as flow_tools/beyond.py has it; what lies there is Python's to make.
 * @import { Field } from "./field.js"
 */
import { middle } from "./field.js";

const STEPS = 8; // of a side
const STEADY = 1e-3; // px

/** @typedef {[number, number, number, number]} Margin top, bottom, left, right */

/** @type {Margin} */
export const NO_MARGIN = [0, 0, 0, 0];

/**
 * How far beyond the picture p + back(p) lies, in steps.
 * @param {Field} back
 * @returns {Margin}
 */
export function stepsOut({ width, height, cols, rows, x, y }) {
  const out = { top: 0, bottom: 0, left: 0, right: 0 }; // px
  for (let j = 0; j < rows; j++) {
    const row = middle(j, height, rows);
    for (let i = 0; i < cols; i++) {
      const at = j * cols + i;
      const column = middle(i, width, cols);
      out.top = Math.max(out.top, -(j ? row : 0) - y[at]);
      out.bottom = Math.max(out.bottom, (j < rows - 1 ? row : height - 1) + y[at] - (height - 1));
      out.left = Math.max(out.left, -(i ? column : 0) - x[at]);
      out.right = Math.max(out.right, (i < cols - 1 ? column : width - 1) + x[at] - (width - 1));
    }
  }
  /** @type {(px: number, side: number) => number} */
  const steps = (px, side) => Math.min(Math.ceil((Math.max(px - STEADY, 0) * STEPS) / side), STEPS);
  return [steps(out.top, height), steps(out.bottom, height), steps(out.left, width), steps(out.right, width)];
}

/** @type {(one: Margin, other: Margin) => Margin} */
export const wider = (one, other) => /** @type {Margin} */ (one.map((steps, i) => Math.max(steps, other[i])));

/** @type {(steps: Margin, width: number, height: number) => Margin} in px */
export const inPx = (steps, width, height) => /** @type {Margin} */ (steps.map((count, i) => Math.ceil((count * (i < 2 ? height : width)) / STEPS)));
