// @ts-check
/**
 * A picture as layers, the plate behind and an object's cut-out each, and their composition at a frame, as
 * flow_tools/layers.py has it.
 * @import { Margin } from "./beyond.js"
 * @import { Field, Mask } from "./field.js"
 * @import { Motion } from "./motion.js"
 * @import { Pose } from "./poses.js"
 */
import { NO_MARGIN } from "./beyond.js";
import { resized, roundedToEven } from "./field.js";
import { IDENTITY, inverse, moved } from "./poses.js";
import { warp } from "./warp.js";

/** @typedef {{ width: number, height: number, data: Uint8ClampedArray }} Raster as ImageData: straight RGBA */
/** @typedef {{ width: number, height: number, data: Float32Array }} Exact the same, not rounded */
/** @typedef {{ left: number, top: number, right: number, bottom: number }} Bounds pixels, the last ones not included */

/**
 * An object, cut out: premultiplied RGBA of its bounds alone.
 * @typedef {{ bounds: Bounds, data: Float32Array }} CutOut
 */
/** @typedef {{ plate: Raster, margin: Margin, objects: readonly CutOut[] }} Layers the plate with a margin, px, round the size of all */
/** @typedef {{ stands: readonly boolean[], lacks: Float32Array }} Held which objects stand, and what they lack of the picture, RGBA */

const INSIDE = 0.5; // a mask's value
const FLOWS = 0.02 / 256; // of the longer side a frame: where it flows as fast, all of the still is gone
const GROWN = 3 / 256; // of the longer side: how far round an object the plate is filled

/**
 * @param {Raster} raster
 * @returns {CutOut}
 */
export function cutOut({ width, height, data }) {
  const bounds = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!data[4 * (y * width + x) + 3]) continue;
      bounds.left = Math.min(bounds.left, x);
      bounds.right = Math.max(bounds.right, x + 1);
      bounds.top = Math.min(bounds.top, y);
      bounds.bottom = Math.max(bounds.bottom, y + 1);
    }
  }
  const [columns, rows] = [Math.max(bounds.right - bounds.left, 0), Math.max(bounds.bottom - bounds.top, 0)];
  const kept = new Float32Array(4 * columns * rows);
  for (let i = 0; i < columns * rows; i++) {
    const from = 4 * ((bounds.top + Math.floor(i / columns)) * width + bounds.left + (i % columns));
    const alpha = data[from + 3] / 255;
    for (let c = 0; c < 3; c++) kept[4 * i + c] = data[from + c] * alpha;
    kept[4 * i + 3] = alpha;
  }
  return { bounds, data: kept };
}

/**
 * Fills `target` with the plate warped by `back` (stretched over it), what lives over it, the objects in order at their
 * poses over that, which are the picture itself where they stand.
 * @param {Layers} layers
 * @param {Field} back
 * @param {readonly Pose[]} poses on the target's grid
 * @param {Raster} target
 * @param {((target: Exact) => void) | null} [enliven]
 * @param {Held | null} [held]
 */
export function compose({ plate, margin, objects }, back, poses, target, enliven, held) {
  const { width, height } = target;
  warp(plate, back, target, margin);
  if (!objects.length && !enliven) return;
  const shown = { width, height, data: Float32Array.from(target.data) };
  enliven?.(shown);
  const others = held ? new Float32Array(width * height) : null; // how much is seen of those that do not stand
  objects.forEach((object, i) => place(object, poses[i], shown, others, held?.stands[i] ? 0 : 1));
  if (held && others) held.lacks.forEach((lack, at) => (shown.data[at] += lack * (1 - others[at >> 2])));
  target.data.set(shown.data);
}

/**
 * What things that stand lack of the picture, edge and all, where no other thing was; the less the more it flows or lives.
 * @param {Raster} still
 * @param {Layers} layers
 * @param {Pick<Motion, "masks" | "stands" | "speed">} motion
 * @param {ArrayLike<number>} [lives] how much of each pixel does
 * @returns {Held | null} where nothing stands
 */
export function heldStill(still, layers, motion, lives) {
  const { masks, stands } = motion;
  if (!stands.some(Boolean)) return null;
  const { width, height } = still;
  const shown = { width, height, data: Float32Array.from(withoutMargin(layers).data) };
  const others = new Uint8Array(width * height);
  layers.objects.forEach((object, number) => {
    if (stands[number]) return place(object, IDENTITY, shown, null, 0);
    grow(resized(masks[number], width, height).data, others, width, height);
    const { left, top, right } = object.bounds;
    for (let i = 0; 4 * i < object.data.length; i++) {
      const at = (top + Math.floor(i / (right - left))) * width + left + (i % (right - left));
      if (object.data[4 * i + 3]) others[at] = 1;
    }
  });
  const { data: speed } = resized(motion.speed, width, height);
  const lacks = Float32Array.from(still.data, (value, at) => {
    const i = at >> 2;
    if (others[i]) return 0;
    return (value - shown.data[at]) * Math.max(1 - speed[i] / FLOWS, 0) * (1 - (lives?.[i] ?? 0));
  });
  return { stands, lacks };
}

/**
 * The plate without its margin.
 * @param {Pick<Layers, "plate" | "margin">} layers
 * @returns {Raster}
 */
export function withoutMargin({ plate, margin: [above, below, before, after] }) {
  const [width, height] = [plate.width - before - after, plate.height - above - below];
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 4 * ((y + above) * plate.width + before);
    data.set(plate.data.subarray(from, from + 4 * width), 4 * y * width);
  }
  return { width, height, data };
}

/**
 * Puts the object over what `target` shows, and `seen`, if it is counted, over what `others` counts.
 * @type {(object: CutOut, pose: Pose, target: Exact, others: Float32Array | null, seen: number) => void}
 */
function place({ bounds, data }, pose, target, others, seen) {
  const { left, top, right, bottom } = bounds;
  if (right <= left) return;
  const columns = right - left;
  const rows = bottom - top;
  const back = inverse(pose);
  const corners = [[left - 1, top - 1], [right + 1, top - 1], [left - 1, bottom + 1], [right + 1, bottom + 1]].map(([x, y]) => moved(pose, x, y));
  /** @type {(axis: 0 | 1, size: number) => [number, number]} */
  const range = (axis, size) => {
    const values = corners.map((corner) => corner[axis]);
    return [Math.max(Math.floor(Math.min(...values)), 0), Math.min(Math.ceil(Math.max(...values)), size)];
  };
  const [[x0, x1], [y0, y1]] = [range(0, target.width), range(1, target.height)];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const u = back[0] * (x + 0.5) + back[1] * (y + 0.5) + back[2] - 0.5 - left;
      const v = back[3] * (x + 0.5) + back[4] * (y + 0.5) + back[5] - 0.5 - top;
      const [column, row] = [Math.floor(u), Math.floor(v)];
      if (column < -1 || row < -1 || column >= columns || row >= rows) continue;
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let tap = 0; tap < 4; tap++) {
        const [i, j] = [column + (tap & 1), row + (tap >> 1)];
        if (i < 0 || j < 0 || i >= columns || j >= rows) continue;
        const weight = (tap & 1 ? u - column : 1 - u + column) * (tap >> 1 ? v - row : 1 - v + row);
        const at = 4 * (j * columns + i);
        red += weight * data[at];
        green += weight * data[at + 1];
        blue += weight * data[at + 2];
        alpha += weight * data[at + 3];
      }
      const at = 4 * (y * target.width + x);
      target.data[at] = red + (1 - alpha) * target.data[at];
      target.data[at + 1] = green + (1 - alpha) * target.data[at + 1];
      target.data[at + 2] = blue + (1 - alpha) * target.data[at + 2];
      if (others) others[at / 4] = seen * alpha + (1 - alpha) * others[at / 4];
    }
  }
}

/**
 * Layers of a picture by its objects' masks alone, where nobody made better ones: hard edges, and a plate filled with what
 * is around, smoothly.
 * @param {Raster} picture
 * @param {readonly Mask[]} masks stretched over it
 * @returns {Layers}
 */
export function plainLayers(picture, masks) {
  const { width, height } = picture;
  /** @type {Float32Array[]} */
  const alphas = []; // the topmost first
  const free = new Float32Array(width * height).fill(1);
  const hole = new Uint8Array(width * height);
  for (const mask of [...masks].reverse()) {
    const { data } = resized(mask, width, height);
    alphas.push(free.map((value, i) => value * data[i]));
    grow(data, hole, width, height);
    free.forEach((_, i) => data[i] > INSIDE && (free[i] = 0));
  }
  return {
    plate: { width, height, data: filled(picture, hole) },
    margin: NO_MARGIN,
    objects: alphas.reverse().map((alpha) => {
      const data = picture.data.slice();
      for (let i = 0; i < alpha.length; i++) data[4 * i + 3] = 255 * alpha[i];
      return cutOut({ width, height, data });
    }),
  };
}

/**
 * Sets in `hole` what is inside, and a little round it.
 * @type {(alpha: ArrayLike<number>, hole: Uint8Array, width: number, height: number) => void}
 */
function grow(alpha, hole, width, height) {
  const reach = roundedToEven(GROWN * Math.max(width, height));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (alpha[y * width + x] <= INSIDE) continue;
      for (let row = Math.max(y - reach, 0); row <= Math.min(y + reach, height - 1); row++) {
        const half = Math.round(Math.sqrt(reach * reach - (row - y) ** 2));
        hole.fill(1, row * width + Math.max(x - half, 0), row * width + Math.min(x + half + 1, width));
      }
    }
  }
}

/**
 * The picture with its hole filled from coarser and coarser averages of the rest (push and pull, Gortler et al. 1996).
 * @type {(picture: Raster, hole: Uint8Array) => Uint8ClampedArray}
 */
function filled({ width, height, data }, hole) {
  const [red, green, blue, weight] = [0, 1, 2, 3].map((c) => {
    return Float32Array.from(hole, (inside, i) => (inside ? 0 : c === 3 ? 1 : data[4 * i + c]));
  });
  const full = pulled({ width, height, planes: [red, green, blue], weight });
  const plate = data.slice();
  hole.forEach((inside, i) => inside && full.forEach((plane, c) => (plate[4 * i + c] = plane[i])));
  return plate;
}

/** @typedef {{ width: number, height: number, planes: Float32Array[], weight: Float32Array }} Level planes are times their weight */

/** @type {(level: Level) => Float32Array[]} */
function pulled({ width, height, planes, weight }) {
  if (weight.every((value) => value === 1) || width * height === 1) return planes.map((plane) => plane.map((value, i) => value / (weight[i] || 1)));
  const [columns, rows] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const coarse = { width: columns, height: rows, planes: planes.map(() => new Float32Array(columns * rows)), weight: new Float32Array(columns * rows) };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y >> 1) * columns + (x >> 1);
      coarse.weight[at] += weight[y * width + x];
      planes.forEach((plane, c) => (coarse.planes[c][at] += plane[y * width + x]));
    }
  }
  coarse.weight.forEach((sum, i) => {
    if (sum <= 1) return;
    for (const plane of coarse.planes) plane[i] /= sum;
    coarse.weight[i] = 1;
  });
  const below = pulled(coarse).map((data) => resized({ width: columns, height: rows, data }, width, height).data);
  return planes.map((plane, c) => plane.map((value, i) => value + (1 - weight[i]) * below[c][i]));
}
