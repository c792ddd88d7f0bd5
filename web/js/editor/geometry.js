// @ts-check
/** Points are [x, y]; "image" points are 0..1 of the picture, "screen" points CSS px of the canvas. Nothing here has state. */

/** @typedef {[number, number]} Point */
/** @typedef {{ left: number, top: number, width: number, height: number }} Box where the picture lies on the stage, CSS px */
/** @typedef {{ zoom: number, center: Point }} Camera `center` is the image point in the stage's middle */
/** @typedef {{ id: string, points: Point[] }} Path */
/** @typedef {{ id: string, point?: number, segment?: number, fraction?: number }} Hit a point, or a segment and the fraction 0..1 of it */

/** @type {(value: number, low: number, high: number) => number} */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** @type {(a: Point, b: Point) => number} */
export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/**
 * Where a picture of `size` lies on a stage (CSS px).
 * @param {Point} stage
 * @param {Point} size
 * @param {Partial<Camera> & { margin?: number }} [camera]
 * @returns {Box}
 */
export function pictureBox(stage, size, { zoom = 1, center = [0.5, 0.5], margin = 10 } = {}) {
  const room = [Math.max(stage[0] - 2 * margin, 1), Math.max(stage[1] - 2 * margin, 1)];
  const scale = zoom * Math.min(room[0] / size[0], room[1] / size[1]);
  const [width, height] = [size[0] * scale, size[1] * scale];
  return { left: stage[0] / 2 - center[0] * width, top: stage[1] / 2 - center[1] * height, width, height };
}

/** @type {(point: Point, box: Box) => Point} */
export const toScreen = (point, box) => [box.left + point[0] * box.width, box.top + point[1] * box.height];

/** @type {(point: Point, box: Box) => Point} */
export const toImage = (point, box) => [(point[0] - box.left) / box.width, (point[1] - box.top) / box.height];

/** @type {(point: Point) => Point} */
export const inside = (point) => [clamp(point[0], 0, 1), clamp(point[1], 0, 1)];

/**
 * The camera after zooming by `factor` about the screen point `at`, which keeps its image point under it.
 * @param {Point} stage
 * @param {Point} size
 * @param {Camera} camera
 * @param {Point} at
 * @param {number} factor
 * @returns {Camera}
 */
export function zoomAt(stage, size, camera, at, factor, { min = 1, max = 16 } = {}) {
  const zoom = clamp(camera.zoom * factor, min, max);
  if (zoom === min) return { zoom, center: [0.5, 0.5] };
  const fixed = toImage(at, pictureBox(stage, size, camera));
  const now = toImage(at, pictureBox(stage, size, { zoom, center: camera.center }));
  return panned({ zoom, center: camera.center }, [fixed[0] - now[0], fixed[1] - now[1]]);
}

/**
 * The camera with its center moved by an image vector; some of the picture always stays on the stage.
 * @type {(camera: Camera, by: Point) => Camera}
 */
export const panned = ({ zoom, center }, by) => ({ zoom, center: inside([center[0] + by[0], center[1] + by[1]]) });

/**
 * How far `point` is from the segment a-b, and the fraction 0..1 of it where it comes nearest.
 * @param {Point} point
 * @param {Point} a
 * @param {Point} b
 */
export function toSegment(point, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const squared = dx * dx + dy * dy;
  const fraction = squared ? clamp(((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / squared, 0, 1) : 0;
  return { distance: distance(point, [a[0] + fraction * dx, a[1] + fraction * dy]), fraction };
}

/** @param {Point[]} path */
export const endOf = (path) => path[path.length - 1];

/** @param {Point[]} points */
export function pathLength(points) {
  let length = 0;
  for (let i = 1; i < points.length; i++) length += distance(points[i - 1], points[i]);
  return length;
}

/**
 * The path's first `length`, as points; beyond its end it runs straight on.
 * @param {Point[]} points
 * @param {number} length
 */
export function pathUpTo(points, length) {
  const path = [points[0]];
  let left = length;
  for (let i = 1; i < points.length; i++) {
    const step = distance(points[i - 1], points[i]);
    if (step === 0) continue;
    const last = pathLength(points.slice(i)) === 0;
    if (left <= step || last) {
      const [fraction, [x0, y0], [x1, y1]] = [left / step, points[i - 1], points[i]];
      path.push([x0 + (x1 - x0) * fraction, y0 + (y1 - y0) * fraction]);
      return path;
    }
    path.push(points[i]);
    left -= step;
  }
  return path;
}

/**
 * Ramer, Douglas and Peucker: the fewest of the points from which no other is further than `tolerance`.
 * @param {Point[]} points
 * @param {number} tolerance
 */
export function simplified(points, tolerance) {
  if (points.length <= 2) return points.slice();
  const keep = new Set([0, points.length - 1]);
  const spans = [[0, points.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [first, last] = span;
    let [furthest, far] = [-1, tolerance];
    for (let i = first + 1; i < last; i++) {
      const off = toSegment(points[i], points[first], points[last]).distance;
      if (off > far) [furthest, far] = [i, off];
    }
    if (furthest >= 0) {
      keep.add(furthest);
      spans.push([first, furthest], [furthest, last]);
    }
  }
  return points.filter((_, i) => keep.has(i));
}

/**
 * What of `arrows` lies within `reach` px of the screen point `at`, the best first: points before segments, then the
 * nearest. An arrow appears once.
 * @param {readonly Path[]} arrows
 * @param {Point} at
 * @param {Box} box
 * @param {number} reach
 * @returns {Hit[]}
 */
export function hits(arrows, at, box, reach) {
  /** @type {(Hit & { away: number })[]} */
  const found = [];
  for (const arrow of arrows) {
    const path = arrow.points.map((point) => toScreen(point, box));
    /** @type {Hit & { away: number } | null} */
    let best = null;
    path.forEach((point, i) => {
      const away = distance(point, at);
      if (away <= reach && (!best || away < best.away)) best = { id: arrow.id, point: i, away };
    });
    for (let i = 1; i < path.length && best?.point === undefined; i++) {
      const { distance: away, fraction } = toSegment(at, path[i - 1], path[i]);
      if (away <= reach && (!best || away < best.away)) best = { id: arrow.id, segment: i - 1, fraction, away };
    }
    if (best) found.push(best);
  }
  /** @param {Hit & { away: number }} hit */
  const rank = (hit) => (hit.point === undefined ? reach : 0) + hit.away;
  return found.sort((a, b) => rank(a) - rank(b));
}

/**
 * Ids of the arrows that have a point in the box between two screen corners, or cross it.
 * @param {readonly Path[]} arrows
 * @param {Point} from
 * @param {Point} to
 * @param {Box} box
 */
export function within(arrows, from, to, box) {
  /** @type {[Point, Point]} */
  const [low, high] = [
    [Math.min(from[0], to[0]), Math.min(from[1], to[1])],
    [Math.max(from[0], to[0]), Math.max(from[1], to[1])],
  ];
  /** @param {Point} p */
  const contains = (p) => p[0] >= low[0] && p[0] <= high[0] && p[1] >= low[1] && p[1] <= high[1];
  return arrows
    .filter(({ points }) => {
      const path = points.map((point) => toScreen(point, box));
      return path.some((point, i) => contains(point) || (i > 0 && crosses(path[i - 1], point, low, high)));
    })
    .map(({ id }) => id);
}

/**
 * Whether the segment a-b meets the box low-high (Liang and Barsky).
 * @type {(a: Point, b: Point, low: Point, high: Point) => boolean}
 */
function crosses(a, b, low, high) {
  let [enter, leave] = [0, 1];
  for (const axis of [0, 1]) {
    const step = b[axis] - a[axis];
    if (step === 0) {
      if (a[axis] < low[axis] || a[axis] > high[axis]) return false;
      continue;
    }
    const fractions = [(low[axis] - a[axis]) / step, (high[axis] - a[axis]) / step].sort((p, q) => p - q);
    enter = Math.max(enter, fractions[0]);
    leave = Math.min(leave, fractions[1]);
  }
  return enter <= leave;
}

/**
 * Where a `size` picture is cut to the shape `aspect` (width / height) about its middle, px.
 * @param {Point} size
 * @param {number} [aspect]
 */
export function centerCut(size, aspect) {
  if (!aspect) return { x: 0, y: 0, width: size[0], height: size[1] };
  const width = Math.min(size[0], size[1] * aspect);
  const height = Math.min(size[1], size[0] / aspect);
  return { x: (size[0] - width) / 2, y: (size[1] - height) / 2, width, height };
}
