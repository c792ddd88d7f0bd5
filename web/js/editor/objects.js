// @ts-check
/**
 * Which things move as things: the objects of arrows and their masks. Numbers of objects begin at 1; null stands for the
 * region, which the same tools paint.
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Arrow, State, Timing } from "./state.js"
 */
import { blank, holds } from "./region.js";
import { changed, held } from "./state.js";

/**
 * With a new object of that mask, which the arrows of `ids` move.
 * @type {(state: State, ids: readonly string[], mask: Region) => State}
 */
export const given = (state, ids, mask) =>
  shared({ ...state, objects: [...state.objects, mask] }, ids, state.objects.length + 1);

/**
 * With the arrows of `ids` moving that object.
 * @type {(state: State, ids: readonly string[], number: number) => State}
 */
export const shared = (state, ids, number) => held(changed(state, ids, () => ({ object: number })));

/**
 * With the arrows of `ids` moving areas again.
 * @type {(state: State, ids: readonly string[]) => State}
 */
export const released = (state, ids) =>
  held({ ...state, arrows: state.arrows.map((arrow) => (ids.includes(arrow.id) ? withoutKey(arrow, "object") : arrow)) });

/** @type {(state: State, ids: readonly string[], timing: Timing) => State} */
export const timed = (state, ids, timing) => ({
  ...state,
  arrows: state.arrows.map((arrow) => {
    if (!ids.includes(arrow.id)) return arrow;
    return timing === "steady" ? withoutKey(arrow, "timing") : { ...arrow, timing };
  }),
});

/** @type {(arrow: Arrow, key: "object" | "timing") => Arrow} */
function withoutKey(arrow, key) {
  const { [key]: _, ...others } = arrow;
  return others;
}

/** @type {(state: State, number: number | null) => Region | null} */
export const maskOf = ({ region, objects }, number) => (number === null ? region : objects[number - 1]);

/**
 * With another mask; null is an empty one.
 * @type {(state: State, number: number | null, mask: Region | null) => State}
 */
export function withMask(state, number, mask) {
  if (number === null) return { ...state, region: mask };
  const { objects } = state;
  return { ...state, objects: objects.map((old, i) => (i === number - 1 ? (mask ?? blank(old.size)) : old)) };
}

/**
 * The number of the topmost object at a point 0..1, or null.
 * @type {(state: State, point: Point) => number | null}
 */
export const objectAt = ({ objects }, point) => objects.findLastIndex((mask) => holds(mask, point)) + 1 || null;

/** @type {(state: Pick<State, "arrows">, number: number) => Arrow[]} */
export const arrowsOf = ({ arrows }, number) => arrows.filter(({ object }) => object === number);

/**
 * Those arrows with the objects that they move, numbered as these then are.
 * @type {(state: State, arrows: readonly Arrow[]) => State}
 */
export const alone = (state, arrows) => held({ ...state, arrows });
