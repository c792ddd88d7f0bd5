// @ts-check
/**
 * What is drawn in one editor, immutable, and the text that says it.
 * @import { Point } from "./geometry.js"
 * @import { Track } from "./formats.js"
 * @import { Region } from "./region.js"
 * @import { TextName } from "./texts.js"
 */
import { inside } from "./geometry.js";
import { asPath, asPoint, isNumber, readJson, readTracks } from "./formats.js";
import { problemOf } from "./region.js";
import { texts } from "./texts.js";

/**
 * Points are 0..1 of the picture, tail first; one point alone is a pin.
 * @typedef {{ readonly id: string, readonly points: Point[], readonly strength: number }} Arrow
 */

/**
 * `region` is what may move, null where everything may; `ref` the picture's size in px, where it was known; `rest` keeps
 * what else a saved text has, for newer versions' sake.
 * @typedef {object} State
 * @property {readonly Arrow[]} arrows
 * @property {Region | null} region
 * @property {Point} [ref]
 * @property {Readonly<Record<string, unknown>>} rest
 */

export const VERSION = 1;
const DIGITS = 1e5;
export const MAX_ARROWS = 4096;
export const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 8;
const SPACE = " \t\r\n\ufeff"; // with the byte order mark

/** @type {State} */
export const empty = { arrows: [], region: null, rest: {} };

const english = texts();

/** Thrown for a text that this version cannot read; the text is then left alone. Says `text` of texts.js with `values`. */
export class UnreadableError extends Error {
  /** @param {TextName} text */
  constructor(text, values = {}) {
    super(english(text, values));
    this.text = text;
    this.values = values;
  }
}

/** Thrown for coordinates in px while the size of the picture is not known. */
export class SizeNeededError extends UnreadableError {}

/**
 * The state that a text stands for: the editor's JSON, or tracks in px of a `size` picture (see formats.js). Reads and
 * refuses what parse_arrows and parse_region in flow_tools/ do: tests/arrow_texts.json.
 * @param {string | null | undefined} text
 * @param {Point | null} size
 * @returns {State}
 */
export function parse(text, size = null) {
  const given = text ?? "";
  if (given.length > MAX_BYTES || new TextEncoder().encode(given).length > MAX_BYTES) throw new UnreadableError("tooLong");
  const trimmed = stripped(given);
  if (!trimmed) return empty;
  if (depthOf(trimmed) > MAX_DEPTH) throw new UnreadableError("tooDeep", { most: MAX_DEPTH });
  if (!trimmed.startsWith("{")) {
    if (!size) throw new SizeNeededError("needsSize");
    const tracks = readTracks(trimmed, size);
    if (!tracks) throw new UnreadableError("noArrows");
    return { ...empty, arrows: checked(tracks.map((track, i) => ({ id: `a${i + 1}`, ...track }))) };
  }
  let data;
  try {
    data = readJson(trimmed);
  } catch (error) {
    throw new UnreadableError("notJson", { why: /** @type {SyntaxError} */ (error).message });
  }
  const { version, ref, arrows, region = null, ...rest } = data;
  if (version !== VERSION) throw new UnreadableError("otherVersion", { saved: JSON.stringify(version), own: VERSION });
  if (!Array.isArray(arrows)) throw new UnreadableError("noList");
  const problem = region !== null && problemOf(region);
  if (problem) throw new UnreadableError(...problem);
  const state = { arrows: checked(arrows), region, rest };
  if (ref === undefined) return state;
  const sides = asPoint(ref);
  if (!sides?.every((side) => side > 0)) throw new UnreadableError("badRef", { ref: JSON.stringify(ref) });
  return { ...state, ref: sides };
}

/**
 * Not trim(), which takes other characters for space than Python does.
 * @param {string} text
 */
export function stripped(text) {
  let [start, end] = [0, text.length];
  while (start < end && SPACE.includes(text[start])) start++;
  while (end > start && SPACE.includes(text[end - 1])) end--;
  return text.slice(start, end);
}

/**
 * How deep brackets are nested at most, those in strings not counted.
 * @param {string} text
 */
function depthOf(text) {
  let [depth, most, quoted] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter === "\\") i++;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') {
      quoted = true;
    } else if (letter === "[" || letter === "{") {
      most = Math.max(most, ++depth);
    } else if (letter === "]" || letter === "}") {
      depth--;
    }
  }
  return most;
}

/**
 * The text that is saved; empty when there is nothing to say. `size` is the picture's, px, where it is known.
 * @param {State} state
 * @param {Point | null} size
 */
export function serialize(state, size = null) {
  const { arrows, region, rest } = state;
  if (!arrows.length && !region && !Object.keys(rest).length) return "";
  const ref = size ?? state.ref;
  return JSON.stringify({ version: VERSION, ...(ref && { ref }), arrows, ...(region && { region }), ...rest });
}

/**
 * @param {readonly any[]} entries
 * @returns {Arrow[]}
 */
function checked(entries) {
  if (entries.length > MAX_ARROWS) throw new UnreadableError("tooMany", { count: entries.length, most: MAX_ARROWS });
  const seen = new Set();
  return entries.map((entry, i) => {
    const { points, strength = 1, id = `a${i + 1}`, ...rest } = entry ?? {};
    const path = asPath(points);
    if (!path) throw new UnreadableError("badPoints", { number: i + 1 });
    if (!isNumber(strength) || strength < 0) throw new UnreadableError("badStrength", { number: i + 1, strength });
    if (typeof id !== "string") throw new UnreadableError("badId", { number: i + 1, id: JSON.stringify(id) });
    const unique = seen.has(id) ? freeId(seen) : id;
    seen.add(unique);
    return { ...rest, id: unique, points: path.map(inside), strength };
  });
}

/** @param {Set<string>} taken */
function freeId(taken) {
  let number = taken.size + 1;
  while (taken.has(`a${number}`)) number++;
  return `a${number}`;
}

/** @type {(point: Point) => Point} */
function tidy(point) {
  const [x, y] = inside(point);
  return [Math.round(x * DIGITS) / DIGITS, Math.round(y * DIGITS) / DIGITS];
}

/** @type {(state: State, id: string) => Arrow | undefined} */
export const find = (state, id) => state.arrows.find((arrow) => arrow.id === id);

/**
 * With arrows added, and their new ids.
 * @param {State} state
 * @param {readonly Track[]} arrows
 * @returns {[State, string[]]}
 */
export function added(state, arrows) {
  const taken = new Set(state.arrows.map(({ id }) => id));
  /** @type {string[]} */
  const ids = [];
  const more = arrows.slice(0, MAX_ARROWS - state.arrows.length).map(({ points, strength = 1 }) => {
    const id = freeId(taken);
    taken.add(id);
    ids.push(id);
    return { id, points: points.map(tidy), strength };
  });
  return [{ ...state, arrows: [...state.arrows, ...more] }, ids];
}

/** @type {(state: State, ids: readonly string[], change: (arrow: Arrow) => Partial<Arrow>) => State} */
const changed = (state, ids, change) => ({
  ...state,
  arrows: state.arrows.map((arrow) => (ids.includes(arrow.id) ? { ...arrow, ...change(arrow) } : arrow)),
});

/** @type {(state: State, ids: readonly string[]) => State} */
export const removed = (state, ids) => ({ ...state, arrows: state.arrows.filter(({ id }) => !ids.includes(id)) });

/**
 * With copies of the arrows, shifted by the image vector `by`, and the ids of these.
 * @param {State} state
 * @param {readonly string[]} ids
 * @param {Point} by
 */
export function duplicated(state, ids, by) {
  const chosen = state.arrows.filter(({ id }) => ids.includes(id));
  const shift = fitting(chosen, by);
  return added(
    state,
    chosen.map(({ points, strength }) => ({ points: shifted(points, shift), strength })),
  );
}

/**
 * The arrows moved by an image vector as one; they stop together at the picture's border and keep their shapes.
 * @param {State} state
 * @param {readonly string[]} ids
 * @param {Point} by
 */
export function moved(state, ids, by) {
  const shift = fitting(state.arrows.filter(({ id }) => ids.includes(id)), by);
  return changed(state, ids, ({ points }) => ({ points: shifted(points, shift).map(tidy) }));
}

/** @type {(points: readonly Point[], by: Point) => Point[]} */
const shifted = (points, by) => points.map(([x, y]) => [x + by[0], y + by[1]]);

/** @type {(arrows: readonly Arrow[], by: Point) => Point} */
function fitting(arrows, by) {
  /** @param {0 | 1} axis */
  const along = (axis) => {
    const values = arrows.flatMap(({ points }) => points.map((point) => point[axis]));
    return Math.min(Math.max(by[axis], -Math.min(...values)), 1 - Math.max(...values));
  };
  return [along(0), along(1)];
}

/** @type {(state: State, id: string, index: number, to: Point) => State} */
export const pointMoved = (state, id, index, to) =>
  changed(state, [id], ({ points }) => ({ points: points.map((point, i) => (i === index ? tidy(to) : point)) }));

/**
 * With a point put between points `segment` and `segment + 1`, at that fraction of the way.
 * @type {(state: State, id: string, segment: number, fraction: number) => State}
 */
export const pointInserted = (state, id, segment, fraction) =>
  changed(state, [id], ({ points }) => {
    const [a, b] = [points[segment], points[segment + 1]];
    const middle = tidy([a[0] + (b[0] - a[0]) * fraction, a[1] + (b[1] - a[1]) * fraction]);
    return { points: [...points.slice(0, segment + 1), middle, ...points.slice(segment + 1)] };
  });

/**
 * Without that point; an arrow that loses its only point goes with it.
 * @type {(state: State, id: string, index: number) => State}
 */
export function pointRemoved(state, id, index) {
  if (find(state, id)?.points.length === 1) return removed(state, [id]);
  return changed(state, [id], ({ points }) => ({ points: points.filter((_, i) => i !== index) }));
}

/** @type {(state: State, ids: readonly string[], strength: number) => State} */
export const strengthSet = (state, ids, strength) =>
  changed(state, ids, () => ({ strength: Math.round(Math.max(strength, 0) * 1000) / 1000 }));

/** @type {(state: State, ids: readonly string[], by: number) => State} */
export const strengthChanged = (state, ids, by) =>
  changed(state, ids, ({ strength }) => ({ strength: Math.round(Math.max(strength + by, 0) * 1000) / 1000 }));

/** @type {(state: State) => State} */
export const cleared = (state) => ({ ...state, arrows: [], region: null });
