// @ts-check
/**
 * Smooth noise as a sum of plane waves, as flow_tools/waves.py, curl_noise.py and sway.py have it: eddies, and wind.
 * @import { Field } from "./field.js"
 */
import { emptyField, middle } from "./field.js";

const WAVES = 32;
const [LOWEST, HIGHEST] = [0.55, 1.45]; // of the wave number asked for
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const STALK = 0.4; // of the longer side
const LEAN = [1, 0.15]; // mostly across

/** @typedef {{ amplitude: number, size: number, cycles: number, seed: number }} Noise amplitude in px of the grid */
/** @typedef {Pick<Field, "cols" | "rows" | "width" | "height">} Grid */

/**
 * Numbers between 0 and 1.
 * @type {(seed: number, count: number) => number[]}
 */
export function drawn(seed, count) {
  const start = mixed((mixed(seed % 2 ** 32) ^ Math.floor(seed / 2 ** 32)) >>> 0);
  return Array.from({ length: count }, (_, i) => (mixed((start + i) >>> 0) + 0.5) / 2 ** 32);
}

/** @type {(number: number) => number} */
function mixed(number) {
  let x = number >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** @typedef {{ x: number, y: number, step: number, shift: number, toX: number, toY: number }} Wave */

/** @type {(j: number, cycles: number) => number} */
const turns = (j, cycles) => Math.max(cycles + [0, 1, 0, -1][j % 4], 1);

/**
 * Eddies in px/frame: the field of step t.
 * @param {Grid} grid
 * @param {number} frames
 * @param {Noise & { squeeze: number, along: [number, number] }} noise of which way an eddy is longer than across
 * @returns {(t: number) => Field}
 */
export function curlNoise(grid, frames, { amplitude, size, cycles, seed, squeeze, along }) {
  const random = drawn(seed, 4 * WAVES);
  const waves = Array.from({ length: WAVES }, (_, j) => {
    const angle = Math.PI * ((j * GOLDEN + random[0]) % 1);
    const number = (Math.PI / size) * (LOWEST + (HIGHEST - LOWEST) * random[WAVES + j]);
    const [ahead, aside] = [Math.cos(angle), squeeze * Math.sin(angle)];
    const [x, y] = [along[0] * ahead - along[1] * aside, along[1] * ahead + along[0] * aside];
    const way = random[3 * WAVES + j] < 0.5 ? -1 : 1;
    const step = (2 * Math.PI * way * turns(j, cycles)) / frames;
    return { x: number * x, y: number * y, step, shift: 2 * Math.PI * random[2 * WAVES + j], toX: y, toY: -x };
  });
  const speed = amplitude * Math.sqrt(2 / waves.reduce((sum, { toX, toY }) => sum + toX ** 2 + toY ** 2, 0));
  for (const wave of waves) [wave.toX, wave.toY] = [wave.toX * speed, wave.toY * speed];
  return (t) => summed(grid, waves, t);
}

/**
 * By how many px what is at p has been moved by the wind at frame t; nothing at frame 0.
 * @param {Grid} grid
 * @param {number} frames
 * @param {Noise} noise
 * @returns {(t: number) => Field}
 */
export function sway(grid, frames, { amplitude, size, cycles, seed }) {
  const random = drawn(seed, 4 * WAVES);
  const way = random[3 * WAVES] < 0.5 ? -1 : 1;
  const [toX, toY] = LEAN.map((part) => (part / Math.hypot(...LEAN)) * (amplitude / Math.sqrt(WAVES)));
  const waves = Array.from({ length: WAVES }, (_, j) => {
    const x = (Math.PI / size) * (LOWEST + (HIGHEST - LOWEST) * random[j]);
    const y = (Math.PI / STALK) * (2 * random[WAVES + j] - 1);
    const step = (2 * Math.PI * way * turns(j, cycles)) / frames;
    return { x, y, step, shift: 2 * Math.PI * random[2 * WAVES + j], toX, toY };
  });
  const first = summed(grid, waves, 0);
  return (t) => {
    const field = summed(grid, waves, t);
    field.x.forEach((_, at) => {
      field.x[at] -= first.x[at];
      field.y[at] -= first.y[at];
    });
    return field;
  };
}

/** @type {(grid: Grid, waves: readonly Wave[], t: number) => Field} */
function summed({ width, height, cols, rows }, waves, t) {
  const field = emptyField(width, height, cols, rows);
  const side = Math.max(width, height);
  const sums = [new Float64Array(cols), new Float64Array(cols)];
  for (let row = 0; row < rows; row++) {
    const down = (middle(row, height, rows) + 0.5) / side;
    sums.forEach((sum) => sum.fill(0));
    for (const { x, y, step, shift, toX, toY } of waves) {
      const phase = y * down + shift + step * t;
      // cos of evenly spaced angles, each from the two before
      const [first, space] = [(x * (middle(0, width, cols) + 0.5)) / side + phase, (x * width) / cols / side];
      const twice = 2 * Math.cos(space);
      let [before, now] = [Math.cos(first - space), Math.cos(first)];
      for (let column = 0; column < cols; column++) {
        sums[0][column] += toX * now;
        sums[1][column] += toY * now;
        [before, now] = [now, twice * now - before];
      }
    }
    field.x.set(sums[0], row * cols);
    field.y.set(sums[1], row * cols);
  }
  return field;
}
