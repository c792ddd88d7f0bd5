// @ts-check
/**
 * Moving a picture along a field, as flow_tools/warp.py does it: backward, traced from each pixel to where it came from.
 * @import { Margin } from "./beyond.js"
 * @import { Field, Point } from "./field.js"
 * @import { Raster } from "./layers.js"
 */
import { NO_MARGIN } from "./beyond.js";
import { bilinear, emptyField, middle } from "./field.js";

const HALVES = 0x800080; // so that bytes are rounded, not cut
const INVERSION_STEPS = 8; // of the fixed point q = p - F(q)

/**
 * The vector of a field at a point in px of its grid.
 * @type {(field: Field, x: number, y: number) => Point}
 */
export function vectorAt(field, x, y) {
  const column = ((x + 0.5) * field.cols) / field.width - 0.5;
  const row = ((y + 0.5) * field.rows) / field.height - 0.5;
  return [bilinear(field.x, field.cols, field.rows, column, row), bilinear(field.y, field.cols, field.rows, column, row)];
}

/**
 * Where what is seen at p was in frame 0, minus p, one frame later than `back` (a field of px) says it.
 * @type {(field: Field, back: Field) => Field}
 */
export function stepBack(field, back) {
  const { width, height, cols, rows } = field;
  const next = emptyField(width, height, cols, rows);
  for (let j = 0; j < rows; j++) {
    const y = middle(j, height, rows);
    for (let i = 0; i < cols; i++) {
      const at = j * cols + i;
      const x = middle(i, width, cols);
      let earlier = [back.x[at], back.y[at]];
      for (let n = 0; n < INVERSION_STEPS; n++) {
        const [dx, dy] = vectorAt(field, x + earlier[0], y + earlier[1]);
        earlier = [back.x[at] - dx, back.y[at] - dy];
      }
      [next.x[at], next.y[at]] = earlier;
    }
  }
  return next;
}

/**
 * As stepBack, for a field that was another one in the step before: `back` is looked up where this step came from.
 * @type {(field: Field, back: Field) => Field}
 */
export function stepFurtherBack(field, back) {
  const { width, height, cols, rows } = field;
  const next = stepBack(field, emptyField(width, height, cols, rows));
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < cols; i++) {
      const at = j * cols + i;
      const [dx, dy] = vectorAt(back, middle(i, width, cols) + next.x[at], middle(j, height, rows) + next.y[at]);
      next.x[at] += dx;
      next.y[at] += dy;
    }
  }
  return next;
}

/**
 * Fills `target` with `source`, which has so many px more about it, sampled at p + back(p), the field stretched over it.
 * @type {(source: Raster, back: Field, target: Raster, margin?: Margin) => void}
 */
export function warp(source, back, target, [above, , before] = NO_MARGIN) {
  const { width, height } = target;
  const columns = source.width;
  const from = new Uint32Array(source.data.buffer);
  const to = new Uint32Array(target.data.buffer);
  const [right, bottom] = [columns - 1, source.height - 1];
  const [scaleX, scaleY] = [width / back.width, height / back.height];
  for (let y = 0; y < height; y++) {
    const row = ((y + 0.5) * back.rows) / height - 0.5;
    for (let x = 0; x < width; x++) {
      const column = ((x + 0.5) * back.cols) / width - 0.5;
      const dx = bilinear(back.x, back.cols, back.rows, column, row) * scaleX;
      const dy = bilinear(back.y, back.cols, back.rows, column, row) * scaleY;
      const at = y * width + x;
      if (dx === 0 && dy === 0) {
        to[at] = from[(y + above) * columns + x + before];
        continue;
      }
      const sourceX = Math.min(Math.max(x + before + dx, 0), right);
      const sourceY = Math.min(Math.max(y + above + dy, 0), bottom);
      const [left, top] = [Math.floor(sourceX), Math.floor(sourceY)];
      const [across, down] = [sourceX - left, sourceY - top];
      const [a, b] = [top * columns + left, Math.min(top + 1, bottom) * columns + left];
      const step = left < right ? 1 : 0;
      to[at] = blend(blend(from[a], from[a + step], across), blend(from[b], from[b + step], across), down);
    }
  }
}

/**
 * Between two colours of four bytes.
 * @type {(a: number, b: number, fraction: number) => number}
 */
function blend(a, b, fraction) {
  if (a === b) return a;
  const weight = Math.round(fraction * 256);
  const rest = 256 - weight;
  const even = ((a & 0xff00ff) * rest + (b & 0xff00ff) * weight + HALVES) / 256;
  const odd = ((a >>> 8) & 0xff00ff) * rest + ((b >>> 8) & 0xff00ff) * weight + HALVES;
  return ((even & 0xff00ff) | (odd & 0xff00ff00)) >>> 0;
}
