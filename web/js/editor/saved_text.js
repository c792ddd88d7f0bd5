// @ts-check
/**
 * The text that says what is drawn, which a workflow saves and another editor pastes.
 * @import { Point } from "./geometry.js"
 * @import { Region } from "./region.js"
 * @import { Arrow, State } from "./state.js"
 * @import { TextName } from "./texts.js"
 */
import { inside } from "./geometry.js";
import { asPath, asPoint, isNumber, readJson, readTracks } from "./formats.js";
import { problemOf } from "./region.js";
import { MAX_ARROWS, MAX_OBJECTS, TIMINGS, empty, freeId } from "./state.js";
import { texts } from "./texts.js";

export const VERSION = 2; // 1 has no objects and no timing
export const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 8;
const SPACE = " \t\r\n\ufeff"; // with the byte order mark

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
    return { ...empty, arrows: checked(tracks.map((track, i) => ({ id: `a${i + 1}`, ...track })), null) };
  }
  let data;
  try {
    data = readJson(trimmed);
  } catch (error) {
    throw new UnreadableError("notJson", { why: /** @type {SyntaxError} */ (error).message });
  }
  const { version, ref, arrows, region = null, ...rest } = data;
  if (version !== 1 && version !== VERSION) throw new UnreadableError("otherVersion", { saved: JSON.stringify(version), own: VERSION });
  if (!Array.isArray(arrows)) throw new UnreadableError("noList");
  const problem = region !== null && problemOf(region);
  if (problem) throw new UnreadableError(...problem);
  const objects = version === VERSION ? checkedObjects(rest.objects) : null;
  const state = { arrows: checked(arrows, objects), region, objects: objects ?? [], rest: objects ? without(rest, ["objects"]) : rest };
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
  const { region, objects, rest } = state;
  if (!state.arrows.length && !region && !objects.length && !Object.keys(rest).length) return "";
  const plain = !objects.length && !state.arrows.some(({ timing }) => timing);
  /** @type {(rest: Readonly<Record<string, unknown>>, names: string[]) => Record<string, unknown>} */
  const kept = plain ? (rest) => rest : without;
  const arrows = state.arrows.map(({ rest = {}, ...arrow }) => ({ ...kept(rest, ["object", "timing"]), ...arrow }));
  const ref = size ?? state.ref;
  return JSON.stringify({
    version: plain ? 1 : VERSION,
    ...(ref && { ref }),
    arrows,
    ...(region && { region }),
    ...(plain ? {} : { objects }),
    ...kept(rest, ["objects"]),
  });
}

/**
 * For names that version 1 keeps without knowing them.
 * @type {(values: Readonly<Record<string, unknown>>, names: string[]) => Record<string, unknown>}
 */
const without = (values, names) => Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));

/**
 * @param {any} entries
 * @returns {Region[]}
 */
function checkedObjects(entries) {
  if (entries === undefined || entries === null) return [];
  if (!Array.isArray(entries)) throw new UnreadableError("noObjectList");
  if (entries.length > MAX_OBJECTS) throw new UnreadableError("tooManyObjects", { count: entries.length, most: MAX_OBJECTS });
  entries.forEach((entry, i) => {
    const problem = problemOf(entry, i + 1);
    if (problem) throw new UnreadableError(...problem);
  });
  return entries.map(({ size, runs }) => ({ size, runs }));
}

/**
 * @param {readonly any[]} entries
 * @param {readonly Region[] | null} objects null in version 1, which knows neither these nor timings
 * @returns {Arrow[]}
 */
function checked(entries, objects) {
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
    const manner = objects ? mannerOf(rest, i + 1, objects.length) : {};
    const others = objects ? without(rest, ["object", "timing"]) : rest;
    return { id: unique, points: path.map(inside), strength, ...manner, ...(Object.keys(others).length && { rest: others }) };
  });
}

/**
 * What an arrow moves, and when, as version 2 says it.
 * @param {{ object?: any, timing?: any }} entry
 * @param {number} number
 * @param {number} count of objects
 * @returns {Pick<Arrow, "object" | "timing">}
 */
function mannerOf({ object = null, timing = "steady" }, number, count) {
  if (object !== null && !(Number.isInteger(object) && object >= 1 && object <= count)) {
    throw new UnreadableError("badObject", { number, object: JSON.stringify(object), count });
  }
  if (!TIMINGS.includes(timing)) {
    throw new UnreadableError("badTiming", { number, timing: JSON.stringify(timing), allowed: TIMINGS.join(", ") });
  }
  return { ...(object !== null && { object }), ...(timing !== "steady" && { timing }) };
}
