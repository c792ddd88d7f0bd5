// @ts-check
/**
 * Coordinates as other packs write them, in px of the picture.
 * @import { Mover } from "../flow/poses.js"
 * @import { Point } from "./geometry.js"
 */
import { progress } from "../flow/poses.js";
import { distance, endOf, pathLength, pathUpTo } from "./geometry.js";

export const LARGEST = 1e100; // of a number, as in flow_tools/arrows.py
const NUMBER = /^[ \t]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*$/;

/** @typedef {{ points: Point[], strength?: number }} Track */

/**
 * @param {any} value
 * @returns {value is number}
 */
export const isNumber = (value) => Number.isFinite(value) && Math.abs(value) <= LARGEST;

/**
 * What the JSON says, where single quotes count as double. Throws SyntaxError where it is none.
 * @param {string} text
 * @returns {any}
 */
export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(text.replaceAll("'", '"'));
    } catch {
      throw error;
    }
  }
}

/**
 * Arrows [{points 0..1, strength}], or null for another kind of text: KJNodes coord_str ([{x, y}, ...] or lists of these,
 * single quotes too), DragNUWA ([[[x, y], ...], ...]), Motion-I2V's lines "startX,startY,endX,endY", or ComfyUI's TRACKS
 * {track_path: [[[x, y] of each track] of each frame], track_visibility?}. A track that is straight within half a px becomes
 * a straight arrow, one that stands still a pin. Numbers in 0..1 are fractions of the picture, see inPx.
 * @param {string} text
 * @param {Point} size
 * @returns {Required<Track>[] | null}
 */
export function readTracks(text, size) {
  const tracks = fromLines(text) ?? fromJson(text);
  return tracks && inPx(tracks, size).map(({ points, strength = 1 }) => {
    return { points: thinned(points).map(([x, y]) => [x / size[0], y / size[1]]), strength };
  });
}

/**
 * Tracks in px, by the rule of _in_px in flow_tools/arrows.py: 0..1 are fractions, or the normalized_str of KJNodes.
 * @param {Track[]} tracks
 * @param {Point} size
 * @returns {Track[]}
 */
function inPx(tracks, [width, height]) {
  const points = tracks.flatMap((track) => track.points);
  /** @param {(value: number) => boolean} good */
  const all = (good) => points.every((point) => point.every(good));
  if (all(Number.isInteger) || !all((value) => value <= 1)) return tracks;
  /** @param {(point: Point) => Point} change */
  const mapped = (change) => tracks.map((track) => ({ ...track, points: track.points.map(change) }));
  /** @param {number} value */
  const whole = (value) => Math.abs(value - Math.round(value)) < 1e-6;
  /** @param {Point} point */
  const fits = (point) => point.every(whole);
  /** @type {(point: Point) => Point} */
  const shared = ([x, y]) => [x * width, y * height];
  /** @type {(point: Point) => Point} */
  const mirrored = ([x, y]) => [(1 - x) * height, (1 - y) * height];
  /** @param {Point} point */
  const within = ([x, y]) => x <= width && y <= height;
  const turned = points.map(mirrored);
  if (turned.every(fits) && turned.every(within) && !points.map(shared).every(fits)) return mapped(mirrored);
  return all((value) => value >= 0) ? mapped(shared) : tracks;
}

/**
 * Arrows as nested KJNodes coord_str, which knows no strength: a track ends where its arrow really leads to. With `frames`
 * it has one point a frame, at the arrow's own pace.
 * @param {readonly (Required<Track> & Pick<Mover, "timing">)[]} arrows
 * @param {Point} size
 */
export function coordStr(arrows, size, { frames = 0 } = {}) {
  /** @param {number} value */
  const whole = (value) => Math.round(value * 100) / 100;
  const tracks = arrows.map(({ points, strength, timing }) => {
    const path = points.map(([x, y]) => /** @type {Point} */ ([x * size[0], y * size[1]]));
    const length = pathLength(path);
    if (frames) return Array.from({ length: frames }, (_, i) => endOf(pathUpTo(path, length * strength * progress(timing, i, frames))));
    return strength === 1 || path.length === 1 ? path : pathUpTo(path, length * strength);
  });
  return JSON.stringify(tracks.map((path) => path.map(([x, y]) => ({ x: whole(x), y: whole(y) }))));
}

/**
 * @param {string} text
 * @returns {Track[] | null}
 */
function fromLines(text) {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => /[^ \t]/.test(line));
  const tracks = lines.map((line) => line.split(","));
  if (!lines.length || !tracks.every((fields) => fields.length === 4 && fields.every((field) => NUMBER.test(field)))) return null;
  const numbers = tracks.map((fields) => fields.map(Number));
  if (!numbers.every((values) => values.every(isNumber))) return null;
  return numbers.map(([x0, y0, x1, y1]) => ({ points: [[x0, y0], [x1, y1]] }));
}

/**
 * @param {string} text
 * @returns {Track[] | null}
 */
function fromJson(text) {
  const data = parsed(text);
  if (Array.isArray(data?.track_path)) return fromTracks(data);
  if (!Array.isArray(data)) return null;
  const paths = asPaths(!data.length || Array.isArray(data[0]) ? data : [data]);
  return paths && paths.map((points) => ({ points }));
}

/**
 * The visible part of each track, as an arrow of the same speed.
 * @param {{ track_path: any[], track_visibility?: any[] }} tracks
 * @returns {Track[] | null}
 */
function fromTracks({ track_path: path, track_visibility: seen }) {
  const frames = asPaths(path);
  if (!frames || frames.length < 2) return null;
  const [steps, count] = [frames.length - 1, frames[0].length];
  if (!frames.every((frame) => frame.length === count)) return null;
  return Array.from({ length: count }, (_, i) => {
    const times = frames.map((_, t) => t).filter((t) => seen?.[t]?.[seen[t].length === 1 ? 0 : i] ?? true);
    const shown = times[times.length - 1] - times[0];
    return { points: times.map((t) => frames[t][i]), strength: shown > 0 ? steps / shown : 1 };
  }).filter(({ points }) => points.length);
}

/** @param {string} text */
function parsed(text) {
  try {
    return readJson(text);
  } catch {
    return null;
  }
}

/**
 * [x, y] of a pair or of {x, y}; null for anything else.
 * @param {any} value
 * @returns {Point | null}
 */
export function asPoint(value) {
  const point = Array.isArray(value) ? value : [value?.x, value?.y];
  return point.length === 2 && point.every(isNumber) ? /** @type {Point} */ (point) : null;
}

/**
 * The points of a list that has some, and nothing else; null for anything else.
 * @param {any} values
 * @returns {Point[] | null}
 */
export function asPath(values) {
  const points = Array.isArray(values) ? values.map(asPoint) : [];
  return points.length && points.every((point) => point !== null) ? points : null;
}

/**
 * @param {any[]} values
 * @returns {Point[][] | null}
 */
function asPaths(values) {
  const paths = values.map(asPath);
  return paths.every((path) => path !== null) ? paths : null;
}

/**
 * The rule of _simplified in flow_tools/arrows.py: no point of what is kept is moved.
 * @param {Point[]} points
 */
function thinned(points) {
  const [first, last] = [points[0], endOf(points)];
  if (points.every((point) => distance(first, point) <= 0.5)) return [first];
  const chord = [last[0] - first[0], last[1] - first[1]];
  const length = Math.hypot(...chord);
  if (length === 0) return points;
  let [furthest, straight] = [-Infinity, true];
  for (const [x, y] of points) {
    const ahead = ((x - first[0]) * chord[0] + (y - first[1]) * chord[1]) / length;
    const aside = ((x - first[0]) * chord[1] - (y - first[1]) * chord[0]) / length;
    furthest = Math.max(furthest, ahead);
    straight &&= Math.abs(aside) <= 0.5 && furthest - ahead <= 0.5;
  }
  return straight ? [first, last] : points;
}
