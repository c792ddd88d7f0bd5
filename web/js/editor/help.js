// @ts-check
/**
 * What the editor says of itself: of a command, of all keys, and of what fits at the moment.
 * @import { Command } from "./commands.js"
 * @import { Session } from "./session.js"
 * @import { Say } from "./texts.js"
 */
import { paints } from "./brush.js";
import { COMMANDS, GROUPS } from "./commands.js";
import { maskOf } from "./objects.js";
import { isEmpty } from "./region.js";

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
export function helpLine({ t, view, document, flowSettings, target }) {
  const { tool, selected } = view;
  if (document.problem) return t("helpProblem");
  if (view.asked) return t("finding");
  if (view.note) return view.note;
  const lives = flowSettings.living?.some(({ region }) => region === "painted");
  if (paints(tool) && target === null && flowSettings.region === null && !lives) return t("helpUnconnected");
  if (view.playing && view.cutting) return view.cutting;
  if ((view.flow !== "off" || view.playing) && flowSettings.note) return flowSettings.note;
  const painted = target !== null;
  if (tool === "paint") return t(painted ? "helpPaintObject" : "helpPaint", { number: target });
  if (tool === "erase") return t(painted ? "helpEraseObject" : "helpErase", { number: target });
  if (tool === "lasso") return t(painted ? "helpLassoObject" : "helpLasso", { number: target });
  if (!view.shown) return t("helpHidden");
  if (tool === "object" && !painted) return t(selected.size ? "helpClickThing" : "helpDragThing");
  const mask = painted && maskOf(document.state, target);
  if (mask && isEmpty(mask)) return t("helpEmptyObject", { number: target });
  if (mask) return tool === "object" ? t("helpParts") : t("helpObject", { number: target });
  return t(selected.size > 1 ? "helpMany" : selected.size ? "helpOne" : "helpNone");
}
