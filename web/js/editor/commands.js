// @ts-check
/**
 * All that the editor can do by a button or a key, one entry each: toolbar.js, keyboard.js and help.js are made of this
 * table. What a command is called in words stands in texts.js under its name.
 * @import { Point } from "./geometry.js"
 * @import { Session } from "./session.js"
 * @import { TextName } from "./texts.js"
 * @import { Tool, View } from "./view.js"
 */
import { resized } from "./brush.js";
import { canFind, choose, nextTiming, paintOwn, release } from "./finding.js";
import { endOf } from "./geometry.js";
import { inverted } from "./region.js";
import { duplicated, moved, pointMoved, removed } from "./state.js";
import { WHOLE, neighbor } from "./view.js";

/** @typedef {{ key?: string, shiftKey?: boolean, clipboardData?: DataTransfer | null }} Trigger the event of the page */

/**
 * @typedef {object} Command
 * @property {TextName} name its text says what it does; {keys} in the text stands for its keys
 * @property {Group} group where its button is, and its line in the list of keys
 * @property {readonly string[]} [keys] as KeyboardEvent.key has them ("Arrow": any of the four), behind "Ctrl+", "Alt+" and
 *   "Shift+" in this order
 * @property {string} [icon] an SVG path, 16 x 16
 * @property {TextName} [label] on the button, beside the icon
 * @property {"copy" | "cut" | "paste"} [clipboard] the event that stands for its keys
 * @property {true} [duringGesture] the gesture that runs goes on
 * @property {(session: Session, trigger: Trigger) => unknown} run at any time; false where the key is not the editor's
 * @property {(session: Session) => boolean} [enabled] whether its button can be pressed
 * @property {TextName} [why] said of a button that cannot
 * @property {(session: Session) => boolean} [pressed] whether its button is down
 */

/** The groups of commands, as the list of keys has them; those with buttons stand in the toolbar, too, and need icons. */
export const GROUPS = /** @type {const} */ ({
  tools: { buttons: true },
  selection: { buttons: false },
  arrows: { buttons: false },
  objects: { buttons: true },
  history: { buttons: true },
  clipboard: { buttons: false },
  brush: { buttons: false },
  region: { buttons: true },
  views: { buttons: true },
  frames: { buttons: true },
  picture: { buttons: true },
});
/** @typedef {keyof typeof GROUPS} Group */

const STRENGTH_STEP = 0.1;
const BRUSH_STEP = 1.2;
/** @type {Readonly<Record<string, Point>>} */
export const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Readonly<Record<View["flow"], View["flow"]>>} */
const NEXT_FLOW = { off: "streaks", streaks: "colors", colors: "off" };

/** @type {readonly Command[]} */
export const COMMANDS = [
  tool("arrow", "A", "M3 13 13 3M6 3h7v7"),
  tool("curve", "C", "M3 13c0-8 3-8 5-5s5 2 5-5M10.5 5.5 13 3l2 3"),
  {
    ...tool("object", "O", "M8 2.5c3.5 0 5.5 2 5.5 5s-1 6-5.5 6-5.5-3-5.5-6 2-5 5.5-5ZM5.5 8h5M8 5.5v5"),
    run: choose,
    enabled: canFind,
    why: "noFinder",
  },
  tool("select", "S", "M3 5V3h2M8 3h.1M11 3h2v2M13 8v.1M13 11v2h-2M8 13h.1M5 13H3v-2M3 8v.1"),
  tool(
    "paint",
    "B",
    "M13.5 2.5 7 9M5.5 9.5c-1.5 0-2 1-2 2s-.5 1.5-1.5 1.8c2.5 .8 5.3.2 5.3-2a1.8 1.8 0 0 0-1.8-1.8Z",
  ),
  tool("erase", "E", "M6 13h7.5M8.5 3 3 8.5 7 12.5l1-.5 5-5Z M6 6l4 4"),
  tool("lasso", "L", "M8 2.5c3.3 0 6 1.6 6 3.8S11.3 10 8 10 2 8.5 2 6.3 4.7 2.5 8 2.5ZM4.5 9.4c-1.5.6-1.5 2 0 2.3s1.5 1.5.5 2.3"),
  {
    name: "paintObject",
    group: "objects",
    keys: ["Shift+O"],
    icon: "M9 2.7C5 2 2.5 4.5 2.5 8s2.5 5.5 5.5 5.5 5-1.5 5.5-4.5M12 2v5M9.5 4.5h5",
    run: paintOwn,
    enabled: ({ view }) => view.selected.size > 0,
    why: "noArrowSelected",
  },
  {
    name: "release",
    group: "objects",
    keys: ["R"],
    icon: "M4.5 3.5C3 4.8 2.5 6.3 2.5 8c0 3.5 2.5 5.5 5.5 5.5M11.5 3.5c1.5 1.3 2 2.8 2 4.5M10 11l4 4M14 11l-4 4",
    run: release,
    enabled: ({ target }) => target !== null,
    why: "noObjectSelected",
  },
  {
    name: "undo",
    group: "history",
    keys: ["Ctrl+Z"],
    icon: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H7",
    run: (session) => session.document.undo(),
    enabled: (session) => session.document.canUndo,
  },
  {
    name: "redo",
    group: "history",
    keys: ["Ctrl+Shift+Z", "Ctrl+Y"],
    icon: "M10 3l3 3-3 3M13 6H7a4 4 0 0 0 0 8h2",
    run: (session) => session.document.redo(),
    enabled: (session) => session.document.canRedo,
  },
  {
    name: "fit",
    group: "picture",
    keys: ["0"],
    icon: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
    run: (session) => session.show({ camera: WHOLE }),
    enabled: (session) => session.view.camera.zoom !== 1,
  },
  {
    name: "copy",
    group: "picture",
    icon: "M6 6h7v7H6ZM10 6V3H3v7h3",
    run(session, { shiftKey: perFrame }) {
      session.onCopy(session.coordinates({ perFrame }) ?? "");
      session.say(session.t(perFrame ? "copiedFrames" : "copied"));
    },
    enabled: ({ document }) => document.state.arrows.length > 0 && document.size !== null,
  },
  {
    name: "clear",
    group: "picture",
    icon: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5M7 7v3.5M9 7v3.5",
    run: (session) => session.document.clear(),
    enabled: ({ document }) => !document.isEmpty || document.problem !== null,
  },
  {
    name: "brushSmaller",
    group: "brush",
    keys: ["["],
    run: (session) => session.show({ brush: resized(session.view.brush, 1 / BRUSH_STEP) }),
  },
  {
    name: "brushLarger",
    group: "brush",
    keys: ["]"],
    run: (session) => session.show({ brush: resized(session.view.brush, BRUSH_STEP) }),
  },
  {
    name: "invert",
    group: "region",
    keys: ["I"],
    icon: "M8 2.5a5.5 5.5 0 1 0 0 11ZM8 2.5a5.5 5.5 0 0 1 0 11",
    run(session) {
      const { state } = session.document;
      if (session.target !== null) session.say(session.t("invertsRegion"));
      else if (state.region) session.document.commit({ ...state, region: inverted(state.region) });
      else session.say(session.t("nothingPainted"));
    },
    enabled: ({ document, target }) => document.state.region !== null && target === null,
  },
  {
    name: "shown",
    group: "views",
    keys: ["H"],
    icon: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z",
    run: (session) => session.show({ shown: !session.view.shown }),
    pressed: ({ view }) => view.shown,
  },
  {
    name: "numbered",
    group: "views",
    keys: ["N"],
    icon: "M6 2 5 14M11 2l-1 12M2.5 6h11M2.5 10h11",
    run: (session) => session.show({ numbered: !session.view.numbered }),
    pressed: ({ view }) => view.numbered,
  },
  {
    name: "flow",
    group: "views",
    keys: ["F"],
    icon: "M2 5c2-2 4-2 6 0s4 2 6 0M2 9c2-2 4-2 6 0s4 2 6 0M2 13c2-2 4-2 6 0s4 2 6 0",
    label: "flowButton",
    run: (session) => session.show({ flow: NEXT_FLOW[session.view.flow] }),
    pressed: ({ view }) => view.flow !== "off",
  },
  {
    name: "playing",
    group: "views",
    keys: ["P"],
    icon: "M5 3v10l8-5Z",
    label: "playingButton",
    run: (session) => session.show({ playing: !session.view.playing }),
    enabled: ({ picture }) => picture !== null,
    pressed: ({ view }) => view.playing,
  },
  {
    name: "running",
    group: "frames",
    keys: ["K"],
    icon: "M4.5 3v10M6.5 3v10M9 3l5 5-5 5Z",
    run: (session) => session.show({ running: !session.view.running }),
    pressed: ({ view }) => view.running,
  },
  {
    name: "selectAll",
    group: "selection",
    keys: ["Ctrl+A"],
    run: (session) => session.select(session.document.state.arrows.map(({ id }) => id)),
  },
  { name: "next", group: "selection", keys: ["."], run: (session) => step(session, 1) },
  { name: "previous", group: "selection", keys: [","], run: (session) => step(session, -1) },
  { name: "leave", group: "selection", keys: ["Escape"], duringGesture: true, run: leave },
  {
    name: "newArrow",
    group: "arrows",
    keys: ["Enter"],
    run: (session) => session.add([{ points: [[0.45, 0.5], [0.55, 0.5]] }]),
  },
  { name: "remove", group: "arrows", keys: ["Delete", "Backspace"], run: remove },
  { name: "duplicate", group: "arrows", keys: ["Ctrl+D"], run: duplicate },
  { name: "stronger", group: "arrows", keys: ["+", "="], run: (session) => session.changeStrength(STRENGTH_STEP) },
  { name: "weaker", group: "arrows", keys: ["-"], run: (session) => session.changeStrength(-STRENGTH_STEP) },
  { name: "timing", group: "arrows", keys: ["T"], run: nextTiming },
  { name: "nudge", group: "arrows", keys: ["Arrow"], run: nudge },
  { name: "nudgeHead", group: "arrows", keys: ["Alt+Arrow"], run: nudgeHead },
  { name: "copyArrows", group: "clipboard", keys: ["Ctrl+C"], clipboard: "copy", run: copyArrows },
  {
    name: "cutArrows",
    group: "clipboard",
    keys: ["Ctrl+X"],
    clipboard: "cut",
    run: (session, trigger) => copyArrows(session, trigger) && remove(session),
  },
  {
    name: "pasteArrows",
    group: "clipboard",
    keys: ["Ctrl+V"],
    clipboard: "paste",
    run(session, { clipboardData }) {
      const count = session.paste(clipboardData?.getData("text/plain") ?? "");
      session.say(session.t(count ? (count === 1 ? "pastedOne" : "pasted") : "nothingPasted", { count }));
    },
  },
];

/** @type {(name: Tool & TextName, key: string, icon: string) => Command} */
function tool(name, key, icon) {
  return {
    name,
    group: "tools",
    keys: [key],
    icon,
    run: (session) => session.show({ tool: name }),
    pressed: ({ view }) => view.tool === name,
  };
}

/** @type {(session: Session, by: 1 | -1) => void} */
function step(session, by) {
  const id = neighbor(session.document.state.arrows, session.view, by);
  if (id !== undefined) session.select([id]);
}

/** @param {Session} session */
function leave(session) {
  if (session.gesture) session.cancel();
  else if (session.stopAsking()) session.say("");
  else if (session.view.selected.size) session.select([]);
  else return false;
}

/** @param {Session} session */
function remove({ document, selectedIds }) {
  if (selectedIds.length) document.commit(removed(document.state, selectedIds));
}

/** @param {Session} session */
function duplicate(session) {
  const { document, selectedIds, box } = session;
  if (!selectedIds.length) return;
  const [state, ids] = duplicated(document.state, selectedIds, [12 / box.width, 12 / box.height]);
  document.commit(state);
  session.select(ids);
}

/** @type {(session: Session, trigger: Trigger) => void} */
function nudge(session, trigger) {
  const { document, selectedIds } = session;
  if (!selectedIds.length) return;
  document.commit(moved(document.state, selectedIds, nudgeOf(session, trigger)), `nudge ${selectedIds}`);
}

/** @type {(session: Session, trigger: Trigger) => void} */
function nudgeHead(session, trigger) {
  const { document, selectedIds, chosen } = session;
  if (!selectedIds.length) return;
  const by = nudgeOf(session, trigger);
  const state = chosen.reduce((now, { id, points }) => {
    const [x, y] = endOf(points);
    return pointMoved(now, id, points.length - 1, [x + by[0], y + by[1]]);
  }, document.state);
  document.commit(state, `head ${selectedIds}`);
}

/**
 * An image vector of one px of the picture (or of the screen, where its size is not known), with Shift of ten.
 * @type {(session: Session, trigger: Trigger) => Point}
 */
function nudgeOf({ document, box }, { key = "", shiftKey }) {
  const [width, height] = document.size ?? [box.width, box.height];
  const step = shiftKey ? 10 : 1;
  const [x, y] = DIRECTIONS[key];
  return [(x * step) / width, (y * step) / height];
}

/** @type {(session: Session, trigger: Trigger) => boolean} whether there was something to copy */
function copyArrows(session, { clipboardData }) {
  const text = session.copied();
  if (text) clipboardData?.setData("text/plain", text);
  return text !== "";
}
