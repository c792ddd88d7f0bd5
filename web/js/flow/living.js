// @ts-check
/**
 * Regions that live, as flow_tools/living.py has them: what they show at each frame, over the picture warped along the flow.
 * @import { Field, Mask } from "./field.js"
 * @import { Planes, Copy } from "./flowing.js"
 * @import { Exact, Raster } from "./layers.js"
 */
import { resized, roundedToEven } from "./field.js";
import { blended, closer, copiesOf, lone, meanAround, sampled, sourceOf } from "./flowing.js";
import { curlNoise, sway } from "./waves.js";

const SIDE = 256; // px of the longer side that amplitudes are given at
const EDGE = 5 / 256; // of the longer side
const ROOT = 0.2; // of the longer side
const FAST = 1.5; // px/frame at SIDE
const SLOW = 0.02; // px/frame at SIDE
const [OFFSET, OFFSET_SIZE] = [1.75, 0.1]; // px at SIDE, and share of the side

/** @typedef {{ amplitude: number, size: number, period: number, reset: number, squeeze: number, stretch: number, together: number }} Kind */
/** @type {Record<string, Kind>} */
const KINDS = {
  "running water": { amplitude: 0.9, size: 0.145, period: 12.5, reset: 25, squeeze: 1, stretch: 2, together: 0 },
  "calm water": { amplitude: 0.5, size: 0.09, period: 12.5, reset: 25, squeeze: 4, stretch: 1, together: 0 },
  "clouds or smoke": { amplitude: 0.4, size: 0.19, period: 25, reset: 25, squeeze: 1, stretch: 1, together: 0.7 },
  "leaves or grass": { amplitude: 3, size: 0.14, period: 12.5, reset: 25, squeeze: 1, stretch: 1, together: 0 },
};
const LEAVES = "leaves or grass";

/**
 * As the node's fields have it: an amplitude below 0, a size, period or reset of 0 is as usual for the kind.
 * @typedef {{ region: Mask, kind: string, seed: number, amplitude?: number, size?: number, period?: number, reset?: number }} Living
 */
/** @typedef {{ frames: number, area: (t: number) => Field }} Moving area of the steps 0 to frames - 2 */
/** @typedef {{ sway?: (t: number) => Field, copies: Copy[][], goesOn: number }} Life */

export class Alive {
  #still;
  #frames;
  #parts;
  /** @type {Map<number, { planes: Float32Array[], share: Float32Array }>} */
  #shown = new Map();

  /**
   * @param {Raster} plate
   * @param {readonly Living[]} living
   * @param {Moving} motion
   */
  constructor(plate, living, motion) {
    const { width, height, data } = plate;
    const planes = [0, 1, 2].map((c) => Float32Array.from({ length: width * height }, (_, at) => data[4 * at + c] / 127.5 - 1));
    this.#still = { width, height, planes };
    this.#frames = motion.frames;
    this.#parts = living.map((each) => {
      const region = Float32Array.from(resized(each.region, width, height).data);
      const [life, source] = [lifeOf(each, motion), sourceOf(this.#still, region)];
      const { together } = KINDS[each.kind];
      if (together > 0) {
        const { cols, rows } = life.copies[0][0].displacement;
        const nearer = Float32Array.from(resized({ width, height, data: lone(source, region) }, cols, rows).data, (value) => together * value);
        life.copies = life.copies.map((copies) => closer(copies, nearer));
      }
      return { life, region, weight: soft(region, width, height), source };
    });
  }

  /** How much of what is seen lives, at any frame. */
  get share() {
    return this.#at(0).share;
  }

  /**
   * Puts what lives at frame `t` over what `target` shows.
   * @param {number} t
   * @param {Exact} target
   */
  paint(t, { data }) {
    const { planes, share } = this.#at(t % this.#frames);
    for (let at = 0; at < share.length; at++) {
      if (!share[at]) continue;
      for (let c = 0; c < 3; c++) {
        const behind = data[4 * at + c] / 127.5 - 1;
        data[4 * at + c] = (planes[c][at] + behind * (1 - share[at]) + 1) * 127.5;
      }
    }
  }

  /** @param {number} t */
  #at(t) {
    let shown = this.#shown.get(t);
    if (shown) return shown;
    const { planes: still } = this.#still;
    shown = { planes: still.map((plane) => new Float32Array(plane.length)), share: new Float32Array(still[0].length) };
    for (const { life, region, weight, source } of this.#parts) {
      const own = this.#texture(life, source, t);
      for (let at = 0; at < region.length; at++) {
        const edge = (region[at] - weight[at]) * (1 - life.goesOn);
        const above = weight[at] + edge;
        shown.planes.forEach((plane, c) => (plane[at] = plane[at] * (1 - above) + own[c][at] * weight[at] + still[c][at] * edge));
        shown.share[at] += above * (1 - shown.share[at]);
      }
    }
    this.#shown.set(t, shown);
    return shown;
  }

  /** @type {(life: Life, source: Planes, t: number) => Float32Array[]} */
  #texture(life, source, t) {
    if (t === 0) return this.#still.planes;
    if (life.sway) return sampled(this.#still, life.sway(t), -1, true).map((plane) => plane.map((value) => Math.min(Math.max(value, -1), 1)));
    return blended(this.#still, source, life.copies[t]);
  }
}

/** @type {(living: Living, motion: Moving) => Life} */
function lifeOf({ region: mask, kind, seed, ...given }, motion) {
  const usual = KINDS[kind];
  const { frames } = motion;
  /** @param {number} t */
  const area = (t) => motion.area(t);
  const field = area(0);
  const { cols, rows } = field;
  const scale = Math.max(field.width, field.height) / SIDE;
  const region = Float32Array.from(resized(mask, cols, rows).data);
  const weight = soft(region, cols, rows);
  /** @param {number} length */
  const whole = (length) => Math.max(roundedToEven(frames / length), 1);
  const amplitude = (given.amplitude === undefined || given.amplitude < 0 ? usual.amplitude : given.amplitude) * scale;
  const noise = { amplitude, size: given.size || usual.size, cycles: whole(given.period || usual.period), seed };
  if (kind === LEAVES) {
    const [moved, free] = [sway(field, frames, noise), aboveRoot(weight, cols, rows)];
    const held = weight.map((value, at) => value * free[at]);
    return { sway: (t) => scaled(moved(t), held), copies: [], goesOn: 0 };
  }
  const { stretch, along } = stretched(meanFlow(frames, area, region), usual.stretch, amplitude, SLOW * scale);
  const [longer, shape] = [Math.sqrt(stretch), { squeeze: usual.squeeze * stretch, along }];
  const speed = meanSpeed(frames, area);
  const goesOn = shareOutside(speed, region, cols, rows);
  const eddies = curlNoise(field, frames, { ...noise, size: noise.size * longer, ...shape });
  const carried = weight.map((value) => value + goesOn * (1 - value));
  /** @type {Field[]} */
  const steps = [];
  /** @param {number} t */
  const flow = (t) => (steps[t] ??= sum(scaled(area(Math.min(t, frames - 2)), carried), scaled(eddies(t), weight)));
  const fast = meanInside(speed, region) > FAST * scale;
  const resets = whole(given.reset || usual.reset / (fast ? 2 : 1));
  const other = { amplitude: OFFSET * scale, size: OFFSET_SIZE * longer, cycles: 1, seed: seed + 1, ...shape };
  const offset = curlNoise(field, 2 * resets - 1, other);
  const offsets = Array.from({ length: 2 * resets - 1 }, (_, number) => scaled(offset(number), weight));
  return { copies: copiesOf(frames, flow, resets, offsets), goesOn };
}

/** @type {(region: Float32Array, width: number, height: number) => Float32Array} */
function soft(region, width, height) {
  const around = meanAround(meanAround(region, width, height, EDGE), width, height, EDGE);
  return region.map((value, at) => value * Math.min(Math.max(2 * around[at] - 1, 0), 1));
}

/**
 * How freely what grows in the region sways.
 * @type {(region: Float32Array, width: number, height: number) => Float32Array}
 */
function aboveRoot(region, width, height) {
  const reach = Math.max(roundedToEven(ROOT * Math.max(width, height)), 1);
  const free = new Float32Array(region.length);
  for (let x = 0; x < width; x++) {
    let sum = reach * region[(height - 1) * width + x];
    for (let y = height - 1; y >= 0; y--) {
      free[y * width + x] = sum / reach;
      sum += region[y * width + x] - region[Math.min(y + reach, height - 1) * width + x];
    }
  }
  return free;
}

/** @type {(values: Float32Array, region: Float32Array) => number} */
function meanInside(values, region) {
  let [sum, all] = [0, 0];
  region.forEach((value, at) => ([sum, all] = [sum + values[at] * value, all + value]));
  return sum / Math.max(all, 1);
}

/** @type {(frames: number, area: (t: number) => Field, region: Float32Array) => [number, number]} */
function meanFlow(frames, area, region) {
  const fields = [...new Set(Array.from({ length: frames - 1 }, (_, t) => area(t)))];
  /** @param {"x" | "y"} part */
  const mean = (part) => fields.reduce((all, field) => all + meanInside(field[part], region), 0) / fields.length;
  return [mean("x"), mean("y")];
}

/**
 * How many times as long along the flow as across it an eddy is, and which way that is.
 * @type {(flow: [number, number], most: number, amplitude: number, slow: number) => { stretch: number, along: [number, number] }}
 */
function stretched([x, y], most, amplitude, slow) {
  const speed = Math.hypot(x, y);
  if (most === 1 || speed <= slow) return { stretch: 1, along: [1, 0] };
  return { stretch: 1 + (most - 1) * Math.min(speed / Math.max(amplitude, slow), 1), along: [x / speed, y / speed] };
}

/** @type {(frames: number, area: (t: number) => Field) => Float32Array} */
function meanSpeed(frames, area) {
  const fields = new Set(Array.from({ length: frames - 1 }, (_, t) => area(t)));
  const speed = new Float32Array(area(0).x.length);
  for (const { x, y } of fields) speed.forEach((_, at) => (speed[at] += Math.hypot(x[at], y[at]) / fields.size));
  return speed;
}

/** @type {(speed: Float32Array, region: Float32Array, width: number, height: number) => number} */
function shareOutside(speed, region, width, height) {
  const near = meanAround(region, width, height, 2 * EDGE);
  const sums = { outside: 0, out: 0, inside: 0, in: 0 };
  region.forEach((value, at) => {
    const [outside, inside] = [near[at] * (1 - value), (1 - near[at]) * value];
    sums.outside += outside;
    sums.out += outside * speed[at];
    sums.inside += inside;
    sums.in += inside * speed[at];
  });
  if (!(sums.outside > 0)) return 1;
  const means = [sums.out / Math.max(sums.outside, 1e-6), sums.in / Math.max(sums.inside, 1e-6)];
  return Math.min(means[0] / Math.max(means[1], 1e-6), 1);
}

/** @type {(field: Field, by: Float32Array) => Field} */
const scaled = (field, by) => ({ ...field, x: field.x.map((value, at) => value * by[at]), y: field.y.map((value, at) => value * by[at]) });

/** @type {(one: Field, other: Field) => Field} */
const sum = (one, other) => ({ ...one, x: one.x.map((value, at) => value + other.x[at]), y: one.y.map((value, at) => value + other.y[at]) });
