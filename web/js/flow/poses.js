// @ts-check
/**
 * Where the objects of arrows are at each frame, as flow_tools/timing.py and objects.py have it. Here pixel i spans i..i+1.
 * @import { Point } from "./field.js"
 */
import { lengthsOf, pathPx, pointAt } from "./field.js";

/** @typedef {[number, number, number, number, number, number]} Pose [a, b, c, d, e, f] takes (x, y) px to (a x + b y + c, d x + e y + f) */
/** @typedef {{ points: Point[], strength: number, timing?: "ease" | "sway" }} Mover points 0..1 */

/** @type {Pose} */
export const IDENTITY = [1, 0, 0, 0, 1, 0];
const NOTHING = 1e-9; // px, and square px
const [SMALLEST, LARGEST] = [1 / 16, 16]; // of what an object can be scaled to

/**
 * The share of the way at frame `t` of a segment of `frames`.
 * @type {(timing: Mover["timing"], t: number, frames: number) => number}
 */
export function progress(timing, t, frames) {
  if (timing === "sway") return (1 - Math.cos((2 * Math.PI * t) / frames)) / 2;
  const share = t / (frames - 1);
  if (timing !== "ease") return share;
  const within = Math.min(Math.max(share, 0), 1);
  return within * within * (3 - 2 * within);
}

/**
 * The pose at any frame of the object that these arrows and pins move, on a grid of that size.
 * @param {readonly Mover[]} movers
 * @param {{ width: number, height: number, frames: number }} grid
 * @returns {(t: number) => Pose}
 */
export function posesOf(movers, { width, height, frames }) {
  const paths = movers.map(({ points, strength }) => ({ path: pathPx(points, width, height), strength }));
  const pins = paths.filter(({ path }) => path.length === 1).map(({ path }) => path[0]);
  const arrows = paths.filter(({ path }) => path.length > 1).map(({ path, strength }) => {
    const lengths = lengthsOf(path);
    const way = strength * lengths.reduce((sum, part) => sum + part, 0);
    return { path, strength, at: (/** @type {number} */ share) => pointAt(path, lengths, share * way).at };
  });
  if (!arrows.length) return () => IDENTITY;
  const timing = movers.find(({ points }) => points.length > 1)?.timing;
  const pose = arrows.length > 1 || pins.length > 1 ? similarity(arrows, pins) : pins.length ? turn(arrows[0], pins[0]) : along(arrows[0]);
  return (t) => pose(progress(timing, t, frames));
}

/** @typedef {{ path: Point[], strength: number, at: (share: number) => Point }} Way */

/** @type {(way: Way) => (share: number) => Pose} */
function along({ path: [tail], at }) {
  return (share) => {
    const [x, y] = at(share);
    return [1, 0, x - tail[0], 0, 1, y - tail[1]];
  };
}

/** @type {(way: Way, pin: Point) => (share: number) => Pose} */
function turn({ path, strength }, pin) {
  const angle = strength * sweptAngle(path, pin);
  return (share) => about(pin, pin, 1, angle * share);
}

/**
 * The angle by which a path goes round a point, radians, from x to y.
 * @type {(path: readonly Point[], center: Point) => number}
 */
export function sweptAngle(path, center) {
  const seen = path.map(([x, y]) => [x - center[0], y - center[1]]).filter(([x, y]) => Math.hypot(x, y) > NOTHING);
  let angle = 0;
  for (let i = 1; i < seen.length; i++) {
    const [a, b] = [seen[i - 1], seen[i]];
    angle += Math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);
  }
  return angle;
}

/**
 * Scale and rotation that bring the tails nearest to where their arrows lead, the pins to themselves.
 * @type {(ways: Way[], pins: Point[]) => (share: number) => Pose}
 */
function similarity(ways, pins) {
  const from = mean([...ways.map(({ path }) => path[0]), ...pins]);
  /** @param {number} share */
  const to = (share) => mean([...ways.map(({ at }) => at(share)), ...pins]);
  const end = to(1);
  let [dot, cross, squared] = [0, 0, 0];
  for (const [p, q] of [...ways.map(({ path, at }) => [path[0], at(1)]), ...pins.map((pin) => [pin, pin])]) {
    const [a, b] = [[p[0] - from[0], p[1] - from[1]], [q[0] - end[0], q[1] - end[1]]];
    dot += a[0] * b[0] + a[1] * b[1];
    cross += a[0] * b[1] - a[1] * b[0];
    squared += a[0] * a[0] + a[1] * a[1];
  }
  const fits = squared >= NOTHING;
  const scale = fits ? Math.min(Math.max(Math.hypot(dot, cross) / squared, SMALLEST), LARGEST) : 1;
  const angle = fits ? Math.atan2(cross, dot) : 0;
  return (share) => about(from, to(share), scale ** share, angle * share);
}

/** @type {(points: readonly Point[]) => Point} */
function mean(points) {
  const sum = points.reduce(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

/**
 * Scaled and turned about `from`, which goes to `to`.
 * @type {(from: Point, to: Point, scale: number, angle: number) => Pose}
 */
function about(from, to, scale, angle) {
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return [cos, -sin, to[0] - cos * from[0] + sin * from[1], sin, cos, to[1] - sin * from[0] - cos * from[1]];
}

/**
 * How far a corner of a picture travels at most.
 * @type {(pose: Pose, width: number, height: number) => number}
 */
export function farthest(pose, width, height) {
  const corners = [[0, 0], [width, 0], [0, height], [width, height]];
  const ways = corners.map(([x, y]) => {
    const [u, v] = moved(pose, x, y);
    return Math.hypot(u - x, v - y);
  });
  return Math.max(...ways);
}

/** @type {(pose: Pose, x: number, y: number) => Point} */
export const moved = ([a, b, c, d, e, f], x, y) => [a * x + b * y + c, d * x + e * y + f];

/** @type {(pose: Pose) => Pose} */
export function inverse([a, b, c, d, e, f]) {
  const area = a * e - b * d;
  return [e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area];
}

/**
 * The same pose on a grid that is so many times as wide and high.
 * @type {(pose: Pose, wider: number, higher: number) => Pose}
 */
export const stretched = ([a, b, c, d, e, f], wider, higher) =>
  [a, (b * wider) / higher, c * wider, (d * higher) / wider, e, f * higher];
