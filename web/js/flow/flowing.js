// @ts-check
/**
 * A texture that flows on and on, as flow_tools/flowing.py has it: copies of the still, each moved about its own moment,
 * faded into each other.
 * @import { Field } from "./field.js"
 */
import { bilinear, emptyField, middle } from "./field.js";
import { stepBack, vectorAt } from "./warp.js";

const WINDOWS = [5 / 256, 17 / 256]; // of the longer side
const MOST_GAIN = 1.6;
const [LONE_SIZE, LONE] = [0.3, [0.85, 0.65]]; // of the longer side; evenness
const LEAST_CONTRAST = 1 / 127.5;
const BORDER = 12 / 256; // of the longer side
const NOTHING = 1e-4;

/** @typedef {{ width: number, height: number, planes: Float32Array[] }} Planes a picture's channels, -1..1 */
/** @typedef {{ weight: number, displacement: Field }} Copy */

/**
 * The copies that each of `frames` frames shows.
 * @param {number} frames
 * @param {(t: number) => Field} flow px/frame; its last step leads to frame 0
 * @param {number} resets
 * @param {readonly Field[]} offsets of every copy but the first
 * @returns {Copy[][]}
 */
export function copiesOf(frames, flow, resets, offsets) {
  const half = frames / resets / 2;
  /** @type {Copy[][]} */
  const near = Array.from({ length: frames }, () => []);
  /** @type {Field[]} */
  const back = [];
  for (let number = 0; number <= 2 * resets; number++) {
    for (const [t, displacement] of about(number * half, half, frames, flow, back)) {
      const weight = Math.cos((Math.PI / 2) * (t / half - number)) ** 2;
      near[t].push({ weight, displacement: offsets[number - 1] ? plus(displacement, offsets[number - 1]) : displacement });
    }
  }
  return near;
}

/**
 * The copies, moved as much nearer to their mean as `nearer` says of each place of their fields.
 * @type {(copies: readonly Copy[], nearer: Float32Array) => Copy[]}
 */
export function closer(copies, nearer) {
  /** @type {(of: (displacement: Field) => Float32Array) => Float32Array[]} */
  const moved = (of) => {
    const mean = of(copies[0].displacement).map((_, at) => copies.reduce((sum, copy) => sum + copy.weight * of(copy.displacement)[at], 0));
    return copies.map(({ displacement }) => of(displacement).map((value, at) => value + nearer[at] * (mean[at] - value)));
  };
  const [x, y] = [moved((field) => field.x), moved((field) => field.y)];
  return copies.map(({ weight, displacement }, i) => ({ weight, displacement: { ...displacement, x: x[i], y: y[i] } }));
}

/**
 * How much what stands out in the region is alone there, 0..1.
 * @type {(source: Planes, region: Float32Array) => Float32Array}
 */
export function lone({ width, height, planes }, region) {
  const [fine, shapes] = planes.slice(4);
  const strength = fine.map((value, at) => Math.sqrt(value + shapes[at]) + LEAST_CONTRAST);
  const [mean, square, share] = [strength.map((value, at) => value * region[at]), strength.map((value, at) => value ** 2 * region[at]), region].map((values) =>
    meanAround(values, width, height, LONE_SIZE),
  );
  const uneven = region.map((value, at) => {
    const evenness = mean[at] ** 2 / Math.max(square[at] * share[at], 1e-12);
    return value * Math.min(Math.max((LONE[0] - evenness) / (LONE[0] - LONE[1]), 0), 1);
  });
  return meanAround(uneven, width, height, LONE_SIZE / 4);
}

/** @type {(moment: number, reach: number, frames: number, flow: (t: number) => Field, back: Field[]) => [number, Field][]} */
function about(moment, reach, frames, flow, back) {
  /** @type {[number, Field][]} */
  const found = [];
  const first = Math.ceil(moment);
  const { width, height, cols, rows } = flow(0);
  const rest = emptyField(width, height, cols, rows);
  let total = first > 0 ? stepBack(times(flow(first - 1), first - moment), rest) : rest;
  for (let t = first; t < Math.min(Math.ceil(moment + reach), frames); t++) {
    if (t > first) total = further((back[t - 1] ??= stepBack(flow(t - 1), rest)), total);
    found.push([t, total]);
  }
  for (let t = first - 1; t > Math.max(Math.floor(moment - reach), -1); t--) {
    total = t === first - 1 ? times(flow(t), moment - t) : further(flow(t), total);
    found.push([t, total]);
  }
  return found;
}

/** @type {(field: Field, by: number) => Field} */
const times = (field, by) => ({ ...field, x: field.x.map((value) => value * by), y: field.y.map((value) => value * by) });

/** @type {(one: Field, other: Field) => Field} */
const plus = (one, other) => ({ ...one, x: one.x.map((value, i) => value + other.x[i]), y: one.y.map((value, i) => value + other.y[i]) });

/**
 * A step, and from where it leads the way that is left.
 * @type {(step: Field, total: Field) => Field}
 */
function further(step, total) {
  const { width, height, cols, rows } = step;
  const next = emptyField(width, height, cols, rows);
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < cols; i++) {
      const at = j * cols + i;
      const [dx, dy] = vectorAt(total, middle(i, width, cols) + step.x[at], middle(j, height, rows) + step.y[at]);
      next.x[at] = step.x[at] + dx;
      next.y[at] = step.y[at] + dy;
    }
  }
  return next;
}

/**
 * The region's colours times how much a copy shows of them, that, and the still's contrast: six planes.
 * @type {(still: Planes, region: Float32Array) => Planes}
 */
export function sourceOf(still, region) {
  const { width, height, planes } = still;
  const edge = BORDER * Math.max(width, height);
  const shown = region.map((value, at) => {
    const [x, y] = [(at % width) + 0.5, Math.floor(at / width) + 0.5];
    return value * Math.min(Math.min(x, width - x, y, height - y) / edge, 1);
  });
  const colours = planes.map((plane) => plane.map((value, at) => value * shown[at]));
  return { width, height, planes: [...colours, shown, ...contrastOf(still)] };
}

/**
 * What the copies show together, three planes.
 * @type {(still: Planes, source: Planes, copies: readonly Copy[]) => Float32Array[]}
 */
export function blended(still, source, copies) {
  const total = new Float32Array(source.planes[0].length).fill(NOTHING);
  const parts = copies.map(({ weight, displacement }) => {
    const [red, green, blue, shown, ...contrast] = sampled(source, displacement, 1, false);
    const share = shown.map((value) => weight * Math.min(Math.max(value, 0), 1) ** 2);
    share.forEach((value, at) => (total[at] += value));
    const planes = [red, green, blue].map((plane) => plane.map((value, at) => value / Math.max(shown[at], NOTHING)));
    return { planes, contrast, share };
  });
  for (const { share } of parts) share.forEach((value, at) => (share[at] = value / total[at]));
  /** @type {(rest: Float32Array, of: (part: typeof parts[0]) => Float32Array, least?: number) => Float32Array} */
  const mixed = (rest, of, least = -Infinity) =>
    rest.map((value, at) => parts.reduce((sum, part) => sum + part.share[at] * Math.max(of(part)[at], least), (NOTHING / total[at]) * value));
  const picture = { ...still, planes: still.planes.map((plane, c) => mixed(plane, ({ planes }) => planes[c])) };
  return withContrast(picture, source.planes.slice(4).map((plane, band) => mixed(plane, ({ contrast }) => contrast[band], 0)));
}

/**
 * A picture at p + by * displacement(p), bicubic. `held`: beyond the border it goes on as it is there, else it is 0.
 * @type {(picture: Planes, displacement: Field, by: number, held: boolean) => Float32Array[]}
 */
export function sampled({ width, height, planes }, displacement, by, held) {
  const results = planes.map(() => new Float32Array(width * height));
  const [scaleX, scaleY] = [(by * width) / displacement.width, (by * height) / displacement.height];
  const { cols, rows } = displacement;
  const [across, down] = [new Float64Array(4), new Float64Array(4)];
  const [columns, lines] = [new Int32Array(4), new Int32Array(4)];
  for (let y = 0; y < height; y++) {
    const row = ((y + 0.5) * rows) / height - 0.5;
    for (let x = 0; x < width; x++) {
      const column = ((x + 0.5) * cols) / width - 0.5;
      taps(x + scaleX * bilinear(displacement.x, cols, rows, column, row), width, held, across, columns);
      taps(y + scaleY * bilinear(displacement.y, cols, rows, column, row), height, held, down, lines);
      for (let c = 0; c < planes.length; c++) {
        const plane = planes[c];
        let sum = 0;
        for (let j = 0; j < 4; j++) {
          const at = lines[j] * width;
          const line = across[0] * plane[at + columns[0]] + across[1] * plane[at + columns[1]] + across[2] * plane[at + columns[2]] + across[3] * plane[at + columns[3]];
          sum += down[j] * line;
        }
        results[c][y * width + x] = sum;
      }
    }
  }
  return results;
}

/**
 * The four pixels about a place between them, and their weights.
 * @type {(place: number, size: number, held: boolean, weights: Float64Array, pixels: Int32Array) => void}
 */
function taps(place, size, held, weights, pixels) {
  const a = -0.75; // torch's
  const first = Math.floor(place) - 1;
  const t = place - first - 1;
  weights[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  weights[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
  weights[3] = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
  for (let i = 0; i < 4; i++) {
    const at = first + i;
    pixels[i] = at < 0 ? 0 : at < size ? at : size - 1;
    if (!held && pixels[i] !== at) weights[i] = 0;
  }
}

/**
 * A picture with the local contrast `aim`, in each band.
 * @type {(picture: Planes, aim: readonly Float32Array[]) => Float32Array[]}
 */
function withContrast(picture, aim) {
  const { width, height, planes } = picture;
  const gains = contrastOf(picture).map((power, band) =>
    power.map((value, at) => Math.min(Math.max(Math.sqrt((aim[band][at] + NOTHING) / (value + NOTHING)), 1), MOST_GAIN) - 1),
  );
  return planes.map((plane) => {
    const bands = bandsOf(plane, width, height);
    return plane.map((value, at) => Math.min(Math.max(gains.reduce((sum, gain, band) => sum + gain[at] * bands[band][at], value), -1), 1));
  });
}

/** @type {(plane: Float32Array, width: number, height: number) => Float32Array[]} */
function bandsOf(plane, width, height) {
  const [fine, coarse] = WINDOWS.map((share) => meanAround(plane, width, height, share));
  return [plane.map((value, at) => value - fine[at]), fine.map((value, at) => value - coarse[at])];
}

/**
 * The local variance of the brightness, of its fine detail and of its shapes.
 * @type {(picture: Planes) => Float32Array[]}
 */
function contrastOf({ width, height, planes: [red, green, blue] }) {
  const light = red.map((value, at) => (value + green[at] + blue[at]) / 3);
  return bandsOf(light, width, height).map((band) => meanAround(band.map((value) => value * value), width, height, WINDOWS[1]));
}

/**
 * The mean over a square about each pixel, its side a share of the longer side; of what lies in the picture.
 * @type {(values: Float32Array, width: number, height: number, share: number) => Float32Array}
 */
export function meanAround(values, width, height, share) {
  const half = Math.floor(Math.round(share * Math.max(width, height)) / 2);
  const across = alongLines(values, width, height, 1, width, half);
  return alongLines(across, height, width, width, 1, half);
}

/**
 * Of `lines` lines of `size` values, `step` apart, each line's first `apart` after the one before.
 * @type {(values: Float32Array, size: number, lines: number, step: number, apart: number, half: number) => Float32Array}
 */
function alongLines(values, size, lines, step, apart, half) {
  const result = new Float32Array(values.length);
  for (let line = 0; line < lines; line++) {
    const start = line * apart;
    let sum = 0;
    for (let i = 0; i < Math.min(half, size); i++) sum += values[start + i * step];
    for (let i = 0; i < size; i++) {
      if (i + half < size) sum += values[start + (i + half) * step];
      if (i - half - 1 >= 0) sum -= values[start + (i - half - 1) * step];
      result[start + i * step] = sum / (Math.min(i + half + 1, size) - Math.max(i - half, 0));
    }
  }
  return result;
}
