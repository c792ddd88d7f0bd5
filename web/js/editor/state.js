// @ts-check
/**
 * What is drawn in one editor, immutable. saved_text.js reads and writes it.
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 */
import { inside } from "./geometry.js";
import { isEmpty, same } from "./region.js";

/** @typedef {"steady" | "ease" | "sway"} Timing */

/**
 * Points are 0..1 of the picture, tail first; one point alone is a pin. An arrow moves the object whose number it carries
 * (1 is the first), or the area around it; it is steady where no timing is said. `rest` is as a state's.
 * @typedef {object} Arrow
 * @property {string} id
 * @property {Point[]} points
 * @property {number} strength
 * @property {number} [object]
 * @property {Exclude<Timing, "steady">} [timing]
 * @property {Readonly<Record<string, unknown>>} [rest]
 */

/**
 * `region` is what may move, null where everything may; `objects` are masks of things; `ref` the picture's size in px,
 * where it was known; `rest` keeps what else a saved text has, for newer versions' sake.
 * @typedef {object} State
 * @property {readonly Readonly<Arrow>[]} arrows
 * @property {Region | null} region
 * @property {readonly Region[]} objects
 * @property {Point} [ref]
 * @property {Readonly<Record<string, unknown>>} rest
 */

/** @type {readonly Timing[]} */
export const TIMINGS = ["steady", "ease", "sway"];
export const MAX_ARROWS = 4096;
export const MAX_OBJECTS = 64;
const DIGITS = 1e5;

/** @type {State} */
export const empty = { arrows: [], region: null, objects: [], rest: {} };

/** @param {Set<string>} taken */
export function freeId(taken) {
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
 * With arrows added, and their new ids. Their objects are of `masks`, which come along as far as the limit allows, or the
 * state's own.
 * @param {State} state
 * @param {readonly (Pick<Arrow, "points"> & Partial<Arrow>)[]} arrows
 * @param {readonly Region[] | null} masks
 * @returns {[State, string[]]}
 */
export function added(state, arrows, masks = null) {
  const objects = [...state.objects];
  const numbers = masks?.map((mask) => numberOf(mask, objects)) ?? objects.map((_, i) => i + 1);
  const taken = new Set(state.arrows.map(({ id }) => id));
  const fitting = arrows.filter(({ object }) => !object || numbers[object - 1]).slice(0, MAX_ARROWS - state.arrows.length);
  const more = fitting.map(({ points, strength = 1, object, timing }) => {
    const id = freeId(taken);
    taken.add(id);
    const made = { id, points: points.map(tidy), strength, ...(timing && { timing }) };
    return object ? { ...made, object: /** @type {number} */ (numbers[object - 1]) } : made;
  });
  return [{ ...state, objects, arrows: [...state.arrows, ...more] }, more.map(({ id }) => id)];
}

/**
 * The mask's number in `objects`, where it is added if it is not there and fits; null where it does not.
 * @type {(mask: Region, objects: Region[]) => number | null}
 */
function numberOf(mask, objects) {
  const at = isEmpty(mask) ? -1 : objects.findIndex((object) => same(object, mask));
  if (at >= 0) return at + 1;
  return objects.length < MAX_OBJECTS ? objects.push(mask) : null;
}

/**
 * Without the objects that no arrow has, the others numbered anew.
 * @template {Pick<State, "arrows" | "objects">} Drawn
 * @param {Drawn} state
 * @returns {Drawn}
 */
export function held(state) {
  const kept = state.objects.map((_, i) => i + 1).filter((number) => state.arrows.some(({ object }) => object === number));
  if (kept.length === state.objects.length) return state;
  return {
    ...state,
    objects: kept.map((number) => state.objects[number - 1]),
    arrows: state.arrows.map((arrow) => (arrow.object ? { ...arrow, object: kept.indexOf(arrow.object) + 1 } : arrow)),
  };
}

/** @type {(state: State, ids: readonly string[], change: (arrow: Arrow) => Partial<Arrow>) => State} */
export const changed = (state, ids, change) => ({
  ...state,
  arrows: state.arrows.map((arrow) => (ids.includes(arrow.id) ? { ...arrow, ...change(arrow) } : arrow)),
});

/**
 * Without the arrows, and without the objects that only these had.
 * @type {(state: State, ids: readonly string[]) => State}
 */
export const removed = (state, ids) => held({ ...state, arrows: state.arrows.filter(({ id }) => !ids.includes(id)) });

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
    chosen.map((arrow) => ({ ...arrow, points: shifted(arrow.points, shift) })),
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
export const cleared = (state) => ({ ...state, arrows: [], objects: [], region: null });
