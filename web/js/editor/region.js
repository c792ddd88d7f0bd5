// @ts-check
/**
 * Masks that are painted: the region's and those of objects, immutable. They are stretched over the picture, whatever its size.
 * @import { Point } from "./geometry.js"
 * @import { TextName } from "./texts.js"
 */
import { resized } from "../flow/field.js";

/**
 * `size` is [w, h] px; `runs` are lengths along the rows from the top left, by turns of pixels outside and inside,
 * outside first.
 * @typedef {{ readonly size: Point, readonly runs: readonly number[] }} Region
 */

const LONGER_SIDE = 512;
export const MAX_SIDE = 4096;
/** @type {WeakMap<Region, Uint8Array>} */
const pixels = new WeakMap(); // [h * w] of 0 and 1

/**
 * A mask of those pixels (0 and 1, not copied); null where none is set, which stands for no restriction at all.
 * @param {Point} size
 * @param {Uint8Array} data
 * @returns {Region | null}
 */
export function regionFrom(size, data) {
  const runs = [];
  let [value, length] = [0, 0];
  for (const next of data) {
    if (next === value) {
      length++;
    } else {
      runs.push(length);
      [value, length] = [next, 1];
    }
  }
  runs.push(length);
  if (runs.length === 1) return null;
  const region = { size, runs };
  pixels.set(region, data);
  return region;
}

/** @type {(size: Point) => Region} with nothing inside */
export const blank = (size) => ({ size, runs: [size[0] * size[1]] });

/** @type {(mask: Region) => boolean} */
export const isEmpty = ({ runs }) => runs.every((length, i) => i % 2 === 0 || length === 0);

/** @type {(a: Region, b: Region) => boolean} */
export const same = (a, b) =>
  a === b || (String(a.size) === String(b.size) && a.runs.length === b.runs.length && a.runs.every((length, i) => length === b.runs[i]));

/**
 * Whether a point 0..1 is inside.
 * @param {Region} mask
 * @param {Point} point
 */
export function holds(mask, [x, y]) {
  const [width, height] = mask.size;
  const [column, row] = [Math.floor(x * width), Math.floor(y * height)];
  return column >= 0 && column < width && row >= 0 && row < height && pixelsOf(mask)[row * width + column] === 1;
}

/** @param {Region} region */
export function pixelsOf(region) {
  let data = pixels.get(region);
  if (!data) {
    const made = new Uint8Array(region.size[0] * region.size[1]);
    let at = 0;
    region.runs.forEach((length, i) => made.fill(i % 2, at, (at += length)));
    pixels.set(region, made);
    data = made;
  }
  return data;
}

/**
 * What is wrong with a region, or with the object of that number, read from a text; or null.
 * @param {any} region
 * @param {number | null} number
 * @returns {[TextName, Record<string, unknown>?] | null}
 */
export function problemOf(region, number = null) {
  const { size, runs } = region ?? {};
  /** @param {any} value */
  const whole = (value) => Number.isInteger(value) && value >= 0;
  if (!Array.isArray(size) || size.length !== 2 || !size.every((side) => whole(side) && side >= 1 && side <= MAX_SIDE)) {
    return [number ? "badObjectSize" : "badRegionSize", { number, size: JSON.stringify(size) }];
  }
  if (!Array.isArray(runs) || !runs.every(whole)) return [number ? "badObjectRuns" : "badRuns", { number }];
  const sum = runs.reduce((total, length) => total + length, 0);
  const pixels = size[0] * size[1];
  if (sum === pixels) return null;
  return [number ? "badObjectSum" : "badRunSum", { number, sum, size: size.join(" × "), pixels }];
}

/**
 * The size that a region painted on a picture of `size` px has.
 * @param {Point} size
 * @returns {Point}
 */
export function sizeFor([width, height]) {
  const fraction = Math.min(1, LONGER_SIDE / Math.max(width, height));
  return [Math.max(1, Math.round(width * fraction)), Math.max(1, Math.round(height * fraction))];
}

/**
 * With the stroke of a round brush from `from` to `to` (0..1) set to `value`; `radius` in fractions of the longer side of a
 * `shape` picture.
 * @param {Region | null} region
 * @param {Point} from
 * @param {Point} to
 * @param {{ radius: number, value: number, shape: Point }} brush
 */
export function stroked(region, from, to, { radius, value, shape }) {
  const size = region?.size ?? sizeFor(shape);
  const data = region ? pixelsOf(region).slice() : new Uint8Array(size[0] * size[1]);
  const reach = radius * Math.max(...shape);
  const scale = [shape[0] / size[0], shape[1] / size[1]]; // px of the picture in a pixel of the region
  const [a, b] = [from, to].map(([x, y]) => [x * shape[0], y * shape[1]]);
  const span = [b[0] - a[0], b[1] - a[1]];
  const squared = span[0] ** 2 + span[1] ** 2;
  /** @param {0 | 1} axis */
  const bound = (axis) => {
    const low = Math.floor((Math.min(a[axis], b[axis]) - reach) / scale[axis]);
    const high = Math.ceil((Math.max(a[axis], b[axis]) + reach) / scale[axis]);
    return [Math.max(low, 0), Math.min(high, size[axis])];
  };
  const [columns, rows] = [bound(0), bound(1)];
  for (let row = rows[0]; row < rows[1]; row++) {
    const y = (row + 0.5) * scale[1] - a[1];
    for (let column = columns[0]; column < columns[1]; column++) {
      const x = (column + 0.5) * scale[0] - a[0];
      const fraction = squared ? Math.min(Math.max((x * span[0] + y * span[1]) / squared, 0), 1) : 0;
      if ((x - fraction * span[0]) ** 2 + (y - fraction * span[1]) ** 2 <= reach * reach) data[row * size[0] + column] = value;
    }
  }
  return regionFrom(size, data);
}

/**
 * With what lies inside a closed line of points 0..1 set to `value`, however often it goes round; `shape` as in stroked.
 * @param {Region | null} region
 * @param {readonly Point[]} loop
 * @param {{ value: number, shape: Point }} options
 */
export function filled(region, loop, { value, shape }) {
  const size = region?.size ?? sizeFor(shape);
  const data = region ? pixelsOf(region).slice() : new Uint8Array(size[0] * size[1]);
  const path = loop.map(([x, y]) => [x * size[0], y * size[1]]);
  for (let row = 0; row < size[1]; row++) {
    const y = row + 0.5;
    /** @type {[number, number][]} */
    const crossings = []; // where, and which way
    path.forEach(([x1, y1], i) => {
      const [x0, y0] = path[(i || path.length) - 1];
      if (y0 <= y !== y1 <= y) crossings.push([x0 + ((x1 - x0) * (y - y0)) / (y1 - y0), y0 < y1 ? 1 : -1]);
    });
    crossings.sort(([a], [b]) => a - b);
    let winding = 0;
    crossings.forEach(([x, way], i) => {
      winding += way;
      if (!winding) return;
      const [from, to] = [x, crossings[i + 1][0]].map((edge) => Math.min(Math.max(Math.ceil(edge - 0.5), 0), size[0]));
      data.fill(value, row * size[0] + from, row * size[0] + to);
    });
  }
  return regionFrom(size, data);
}

/**
 * With what is inside `part` set to `value`, at the finer one's size.
 * @type {(mask: Region, part: Region, value: 0 | 1) => Region | null}
 */
export function combined(mask, part, value) {
  const [{ size }] = [mask, part].sort((a, b) => b.size[0] * b.size[1] - a.size[0] * a.size[1]);
  const set = pixelsOf(sized(part, size));
  return regionFrom(size, pixelsOf(sized(mask, size)).map((old, i) => (set[i] ? value : old)));
}

/**
 * Fine enough to be painted on over a picture of `shape` px.
 * @type {(mask: Region, shape: Point) => Region}
 */
export function fine(mask, shape) {
  const size = sizeFor(shape);
  return mask.size[0] < size[0] || mask.size[1] < size[1] ? sized(mask, size) : mask;
}

/** @type {(mask: Region, size: Point) => Region} */
function sized(mask, size) {
  if (String(mask.size) === String(size)) return mask;
  const [width, height] = mask.size;
  const { data } = resized({ width, height, data: pixelsOf(mask) }, ...size);
  return regionFrom(size, Uint8Array.from(data, (value) => (value >= 0.5 ? 1 : 0))) ?? blank(size);
}

/** @param {Region} region */
export const inverted = (region) => regionFrom(region.size, pixelsOf(region).map((value) => 1 - value));
