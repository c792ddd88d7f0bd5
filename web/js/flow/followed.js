// @ts-check
/**
 * The field that follows arrows along their ways, as flow_tools/dense.py has it in its mode "followed" (`_followed`, and
 * `ways_of` of sparse.py).
 * @import { Field, FlowSettings, Mask } from "./field.js"
 * @import { Mover } from "./poses.js"
 */
import { SAMPLE_SPACING_PX, emptyField, lengthsOf, middle, pathPx, pixel, pointAt, regionAt } from "./field.js";
import { progress } from "./poses.js";

const AS_A_PIN = 0.03; // of the longer side: so much of a way weighs as one pin does
const TAIL = 0.25; // of a pin's weight
const SMALLEST_CORE_PX = 0.5;
const NO_SHARE = 1e-6;
const AT_HINT = 1e-12; // px^2: nearer is the hint itself

/** @typedef {{ x: number, y: number, u: number, v: number, weight: number, core: number }} Source at x, y px; core px^2 */

/**
 * From frame `t` to the next; `region` multiplies it. With `most` the field has at most that many cells on its longer side.
 * @param {readonly Mover[]} arrows with points 0..1
 * @param {Pick<FlowSettings, "width" | "height" | "frames" | "sigma" | "threshold"> & { region?: Mask | null, most?: number }} options
 * @param {number} t
 */
export function followedField(arrows, { width, height, frames, sigma, threshold, region = null, most = Infinity }, t) {
  const fraction = Math.min(1, most / Math.max(width, height));
  const field = emptyField(width, height, Math.max(1, Math.round(width * fraction)), Math.max(1, Math.round(height * fraction)));
  if (!arrows.length || threshold >= 1) return field;
  const sources = sourcesOf(arrows, field, frames, t);
  const count = sources.length;
  const [xs, ys, us, vs, weights, cores] = ["x", "y", "u", "v", "weight", "core"].map((name) =>
    Float64Array.from(sources, (source) => source[/** @type {keyof Source} */ (name)]),
  );
  const { cols, rows } = field;
  const across = new Float64Array(cols * count); // a Gaussian is separable: exp(-dx^2 / s^2), then times that of dy
  const squares = new Float64Array(cols * count);
  for (let i = 0; i < cols; i++) {
    const x = middle(i, width, cols);
    for (let n = 0; n < count; n++) {
      squares[i * count + n] = (x - xs[n]) ** 2;
      across[i * count + n] = Math.exp(-squares[i * count + n] / sigma ** 2) / (1 - threshold);
    }
  }
  const down = new Float64Array(count);
  const apart = new Float64Array(count);
  const least = threshold / (1 - threshold);
  for (let j = 0; j < rows; j++) {
    const y = middle(j, height, rows);
    for (let n = 0; n < count; n++) {
      const square = (y - ys[n]) ** 2;
      down[n] = Math.exp(-square / sigma ** 2);
      apart[n] = square + cores[n];
    }
    for (let i = 0; i < cols; i++) {
      const x = middle(i, width, cols);
      let [u, v, total, largest] = [0, 0, 0, 0];
      for (let n = 0, at = i * count; n < count; n++, at++) {
        const share = across[at] * down[n] - least;
        if (share <= 0) continue;
        const weight = (weights[n] * share) / (squares[at] + apart[n]);
        const left = weight * share;
        total += weight;
        u += left * us[n];
        v += left * vs[n];
        if (share > largest) largest = share;
      }
      if (largest <= NO_SHARE) continue;
      const scale = (region ? regionAt(region, x, y, field) : 1) / total;
      field.x[j * cols + i] = u * scale;
      field.y[j * cols + i] = v * scale;
    }
  }
  return field;
}

/**
 * Tails and pins, and the ways gathered in the cells of `field`.
 * @param {readonly Mover[]} arrows
 * @param {Field} field
 * @param {number} frames
 * @param {number} t
 * @returns {Source[]}
 */
function sourcesOf(arrows, { width, height, cols, rows }, frames, t) {
  /** @type {Map<number, Source>} */
  const hints = new Map(); // of two in one pixel the later
  /** @type {Map<number, Source>} */
  const cells = new Map();
  let fastest = SMALLEST_CORE_PX;
  for (const { points, strength, timing } of arrows) {
    const path = pathPx(points, width, height);
    const lengths = lengthsOf(path);
    const length = lengths.reduce((sum, part) => sum + part, 0);
    const speedAt = (/** @type {number} */ step) =>
      length * strength * (progress(timing, step + 1, frames) - progress(timing, step, frames));
    const speed = speedAt(t);
    for (let step = 0; step < (timing ? frames - 1 : 1); step++) fastest = Math.max(fastest, Math.abs(speedAt(step)));
    const distances = samplesOf(length, Math.min(length * Math.max(strength - 1, 0), Math.hypot(width, height)));
    distances.forEach((distance, i) => {
      const { at, tangent } = pointAt(path, lengths, distance);
      const [x, y] = [pixel(at[0], width), pixel(at[1], height)];
      if (i === 0) {
        hints.set(y * width + x, {
          x, y, u: tangent[0] * speed, v: tangent[1] * speed, weight: length ? TAIL : 1, core: AT_HINT,
        });
      }
      if (!length || at[0] < 0 || at[1] < 0 || at[0] > width || at[1] > height) return;
      const { at: next } = pointAt(path, lengths, distance + speed);
      const [u, v] = i === 0 ? [tangent[0] * speed, tangent[1] * speed] : [next[0] - at[0], next[1] - at[1]];
      const weight = ((distances[i + 1] ?? distance) - distance) / (AS_A_PIN * Math.max(width, height));
      const cell = Math.floor(((y + 0.5) * rows) / height) * cols + Math.floor(((x + 0.5) * cols) / width);
      const sum = cells.get(cell) ?? { x: 0, y: 0, u: 0, v: 0, weight: 0, core: 0 };
      sum.x += weight * x;
      sum.y += weight * y;
      sum.u += weight * u;
      sum.v += weight * v;
      sum.weight += weight;
      cells.set(cell, sum);
    });
  }
  const ways = [...cells.values()].filter(({ weight }) => weight > 0).map(({ x, y, u, v, weight }) => (
    { x: x / weight, y: y / weight, u: u / weight, v: v / weight, weight, core: fastest ** 2 }
  ));
  return [...hints.values(), ...ways];
}

/**
 * Distances along a way of `length` px and `beyond`.
 * @type {(length: number, beyond: number) => number[]}
 */
function samplesOf(length, beyond) {
  if (!length) return [0];
  const spread = (/** @type {number} */ end) => {
    const count = Math.floor(end / SAMPLE_SPACING_PX) + 2;
    return Array.from({ length: count }, (_, i) => (i === count - 1 ? end : (i * end) / (count - 1)));
  };
  return beyond ? [...spread(length), ...spread(beyond).slice(1).map((distance) => length + distance)] : spread(length);
}
