// @ts-check
/**
 * What is looked at and how, immutable. Nothing of it is saved or undone.
 * @import { Camera, Hit, Point } from "./geometry.js"
 * @import { Arrow } from "./state.js"
 */

/** @typedef {"arrow" | "curve" | "object" | "select" | "paint" | "erase" | "lasso"} Tool */

/**
 * @typedef {object} View
 * @property {Tool} tool
 * @property {number} brush radius, in fractions of the picture's longer side
 * @property {Point | null} brushAt screen point
 * @property {Camera} camera
 * @property {ReadonlySet<string>} selected ids of arrows
 * @property {{ id: string, point: number } | null} active the point that was taken last
 * @property {Hit | null} hover
 * @property {Omit<Arrow, "id"> | null} draft the arrow that is being drawn
 * @property {Point[] | null} loop what the lasso runs along, screen points
 * @property {Point | null} asked where the page is looking for a thing, image point
 * @property {[Point, Point] | null} band the box that is being drawn, screen points
 * @property {boolean} shown whether the arrows are
 * @property {boolean} numbered
 * @property {"off" | "streaks" | "colors"} flow
 * @property {boolean} playing the picture moves
 * @property {number} frame which one the flow and the moving picture show
 * @property {boolean} running the next frame follows by itself
 * @property {string} cutting how the page gets on with cutting the objects out
 * @property {string} note a line of news instead of the help
 */

/** @type {Camera} */
export const WHOLE = { zoom: 1, center: [0.5, 0.5] };

/** @type {View} */
export const initial = {
  tool: "arrow",
  brush: 0.06,
  brushAt: null,
  camera: WHOLE,
  selected: new Set(),
  active: null,
  hover: null,
  draft: null,
  loop: null,
  asked: null,
  band: null,
  shown: true,
  numbered: true,
  flow: "off",
  playing: false,
  frame: 0,
  running: true,
  cutting: "",
  note: "",
};

/** @type {(arrows: readonly Arrow[], view: View) => Arrow[]} */
export const selectedOf = (arrows, { selected }) => arrows.filter(({ id }) => selected.has(id));

/**
 * Without what is selected of arrows that are not there any more.
 * @type {(view: View, arrows: readonly Arrow[]) => View}
 */
export function withoutGone(view, arrows) {
  const selected = new Set(selectedOf(arrows, view).map(({ id }) => id));
  const { active } = view;
  const holder = active && arrows.find(({ id }) => id === active.id);
  return { ...view, selected, active: holder && active.point < holder.points.length ? active : null };
}

/**
 * The id of the arrow after (1) or before (-1) the selected one in drawing order.
 * @type {(arrows: readonly Arrow[], view: View, by: 1 | -1) => string | undefined}
 */
export function neighbor(arrows, { selected }, by) {
  const at = arrows.findIndex(({ id }) => selected.has(id));
  if (at < 0) return arrows.at(by > 0 ? 0 : -1)?.id;
  return arrows[(at + by + arrows.length) % arrows.length].id;
}
