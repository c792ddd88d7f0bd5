// @ts-check
/** What the editor says, by name, in English; {count} and the like stand for values. */

/** @typedef {keyof typeof ENGLISH} TextName */
/** @typedef {(name: TextName, values?: Record<string, unknown>) => string} Say */

export const ENGLISH = {
  // The commands; {keys} are those of commands.js
  arrow: "Draw arrows ({keys})",
  curve: "Draw curved arrows ({keys}, or Shift-drag)",
  select: "Select with a box ({keys}, or Ctrl-drag)",
  paint: "Paint the region that may move ({keys})",
  erase: "Erase the region ({keys})",
  undo: "Undo ({keys})",
  redo: "Redo ({keys})",
  fit: "Show the whole image ({keys})",
  copy: "Copy as KJNodes coordinates; with Shift one point per frame",
  clear: "Clear all; can be undone",
  brushSmaller: "Smaller brush ({keys})",
  brushLarger: "Larger brush ({keys})",
  invert: "Swap what may move and what stays ({keys})",
  shown: "Show or hide the arrows ({keys})",
  numbered: "Number the arrows ({keys})",
  flow: "Show the flow: off, streaks, colours ({keys})",
  playing: "Move the image along the flow, a rough preview ({keys})",
  selectAll: "Select all ({keys})",
  next: "Next arrow ({keys})",
  previous: "Previous arrow ({keys})",
  leave: "Cancel, or deselect ({keys})",
  newArrow: "New arrow ({keys})",
  remove: "Delete ({keys})",
  duplicate: "Duplicate ({keys})",
  stronger: "Stronger ({keys})",
  weaker: "Weaker ({keys})",
  nudge: "Move by 1 pixel ({keys}; Shift: 10)",
  nudgeHead: "Move only the head ({keys})",
  copyArrows: "Copy ({keys})",
  cutArrows: "Cut ({keys})",
  pasteArrows: "Paste, also KJNodes coordinates ({keys})",
  gestures:
    "Shift- or Ctrl-click: add to the selection. Click again: select the arrow underneath. Double-click: add a point, or " +
    "remove it (Alt-click too).\n" +
    "Wheel: zoom; over a selected arrow: strength (Shift: finer). Shift-wheel: brush size. Right-drag: pan.",

  // Buttons and fields
  flowButton: "flow",
  playingButton: "motion",
  strength: "strength",
  strengthTip: "Strength of the selected arrows; multiplies the distance",
  mixed: "mixed",
  brush: "brush size",
  brushTip: "Brush size ([ and ], or Shift-wheel)",
  canvas: "Arrow editor. Arrow keys move, Enter adds an arrow, comma and full stop select one.",

  // The line of help
  helpProblem: "These arrows cannot be read. Clear all to start again.",
  helpNone: "Drag: arrow · Shift-drag: curve · click: pin · Ctrl-drag: select",
  helpOne: "Drag a point: bend · double-click: add a point · wheel: strength",
  helpMany: "Drag: move all · wheel: strength · Del: delete · Ctrl+D: duplicate",
  helpHidden: "The arrows are hidden, but still used. H shows them.",
  helpPaint: "Paint where things may move · Alt: erase · [ ]: size",
  helpErase: "Erase what was painted · Alt: paint · [ ]: size",
  helpUnconnected: "Connect region to Densify Flow or Refine Flow, otherwise painting does nothing",
  oneArrow: "1 arrow",
  arrows: "{count} arrows",
  copied: "coordinates copied",
  copiedFrames: "coordinates copied, one point per frame",
  pastedOne: "pasted 1 arrow",
  pasted: "pasted {count} arrows",
  nothingPasted: "no arrows in the clipboard",
  nothingPainted: "nothing is painted: everything may move",

  // The flow's settings
  flowNote: "flow",
  flowDefault: "flow · default settings, because no Densify Flow is connected",
  flowFrames: "{count} frames",
  flowSigma: "σ {sigma} px",
  flowUnrefined: "before Refine Flow",
  regionUnconnected: "without the region, which is not connected",
  regionUnknown: "its region is known only after a run",
  otherArrows: "without arrows from other nodes",
  unknown: "known only after a run: {names}",

  // Texts that cannot be read, pictures that cannot be used
  tooLong: "more than 1 MB of text",
  tooDeep: "nested more than {most} levels deep",
  needsSize: "coordinates in pixels: shown once the size of the image is known",
  noArrows: "neither arrows nor coordinates",
  notJson: "not JSON: {why}",
  otherVersion: "saved by another version of the editor ({saved}, this one is {own})",
  noList: "there is no list of arrows",
  tooMany: "{count} arrows, at most {most} are allowed",
  badPoints: "arrow {number}: its points are not pairs of numbers",
  badId: "arrow {number}: its id is not text: {id}",
  badRef: "size of the image: {ref}",
  badStrength: "arrow {number}: strength {strength}",
  noObjectList: "the objects are not a list",
  tooManyObjects: "{count} objects, at most {most} are allowed",
  badObject: "arrow {number}: object {object}; the text has {count}",
  badTiming: "arrow {number}: timing {timing}, not one of {allowed}",
  badObjectSize: "object {number}: size {size}",
  badObjectRuns: "object {number}: its runs are not whole numbers",
  badObjectSum: "object {number}: its runs add up to {sum} pixels, {size} has {pixels}",
  badRegionSize: "region: size {size}",
  badRuns: "region: its runs are not whole numbers",
  badRunSum: "region: its runs add up to {sum} pixels, {size} has {pixels}",
  refused: "the server refused {name}: {why}",
  noLoader: "the image does not come from Load Image, so it cannot be replaced here",
};

/**
 * Says a text of ENGLISH, or what `translated` has in its place.
 * @param {Partial<Record<TextName, string>>} [translated]
 * @returns {Say}
 */
export function texts(translated = {}) {
  return (name, values = {}) => (translated[name] ?? ENGLISH[name]).replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}
