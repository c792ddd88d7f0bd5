// @ts-check
/**
 * What the editor says of itself: of a command, of all keys, and of what fits at the moment.
 * @import { Command } from "./commands.js"
 * @import { Session } from "./session.js"
 * @import { Say } from "./texts.js"
 */
import { BRUSHES } from "./brush.js";
import { COMMANDS, GROUPS } from "./commands.js";

/** @type {Readonly<Record<string, string>>} */
const KEY_NAMES = { Delete: "Del", Escape: "Esc", Arrow: "← → ↑ ↓" };

/**
 * What a command does and its keys, in words.
 * @type {(command: Command, t: Say) => string}
 */
export function helpOf({ name, keys = [] }, t) {
  const named = keys.map((chord) => chord.replace(/\w+$/, (key) => KEY_NAMES[key] ?? key));
  return t(name, { keys: named.join(", ") });
}

/**
 * The list of keys, and what the pointer does.
 * @param {Say} t
 */
export function keyList(t) {
  const lines = Object.keys(GROUPS).map((group) => {
    const commands = COMMANDS.filter((command) => command.group === group && command.keys);
    return commands.map((command) => helpOf(command, t)).join(" · ");
  });
  return [...lines, t("gestures")].join("\n");
}

/**
 * The line under the picture.
 * @param {Session} session
 */
export function helpLine({ t, view, document, flowSettings }) {
  if (document.problem) return t("helpProblem");
  if (view.note) return view.note;
  if (view.tool in BRUSHES && flowSettings.region === null) return t("helpUnconnected");
  if ((view.flow !== "off" || view.playing) && flowSettings.note) return flowSettings.note;
  if (view.tool === "paint") return t("helpPaint");
  if (view.tool === "erase") return t("helpErase");
  if (!view.shown) return t("helpHidden");
  return t(view.selected.size > 1 ? "helpMany" : view.selected.size ? "helpOne" : "helpNone");
}
