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
  fit: "Whole picture ({keys})",
  copy: "Copy as KJNodes coordinates; with Shift one point a frame",
  clear: "Clear all; undo brings it back",
  brushSmaller: "Smaller brush ({keys})",
  brushLarger: "Larger brush ({keys})",
  invert: "Swap what may move and what may not ({keys})",
  shown: "Show or hide the arrows ({keys})",
  numbered: "Numbers ({keys})",
  flow: "Show the flow: off, streaks, colours ({keys})",
  playing: "Move the picture along the flow, roughly ({keys})",
  selectAll: "Select all ({keys})",
  next: "Next arrow ({keys})",
  previous: "Previous arrow ({keys})",
  leave: "Cancel, or deselect ({keys})",
  newArrow: "New arrow ({keys})",
  remove: "Delete ({keys})",
  duplicate: "Duplicate ({keys})",
  stronger: "Stronger ({keys})",
  weaker: "Weaker ({keys})",
  nudge: "Move by a pixel ({keys}; Shift: 10)",
  nudgeHead: "The head alone ({keys})",
  copyArrows: "Copy ({keys})",
  cutArrows: "Cut ({keys})",
  pasteArrows: "Paste, also KJNodes coordinates ({keys})",
  gestures:
    "Shift- or Ctrl-click: add to the selection. Click again: the arrow underneath. Double-click: add a point, or drop it " +
    "(Alt-click too).\n" +
    "Wheel: zoom; over a selected arrow: strength (Shift: finer). Shift-wheel: brush size. Right-drag: pan.",

  // Buttons and fields
  flowButton: "flow",
  playingButton: "motion",
  strength: "strength",
  strengthTip: "Strength of the selected arrows: multiplies the distance",
  mixed: "mixed",
  brush: "brush size",
  brushTip: "Size of the brush ([ and ], or Shift-wheel)",
  canvas: "Arrow editor. Arrow keys move, Enter adds an arrow, comma and full stop choose one.",

  // The line of help
  helpProblem: "These arrows were not opened. Clear starts anew.",
  helpNone: "Drag: arrow · Shift-drag: curve · click: pin · Ctrl-drag: select",
  helpOne: "Drag a point: bend · double-click: new point · wheel: strength",
  helpMany: "Drag: move all · wheel: strength · Del: delete · Ctrl+D: duplicate",
  helpHidden: "The arrows are hidden, and still count. H shows them.",
  helpPaint: "Paint where things may move · Alt: erase · [ ]: size",
  helpErase: "Erase what was painted · Alt: paint · [ ]: size",
  helpUnconnected: "Connect region to Densify Flow or Refine Flow, or this does nothing",
  oneArrow: "1 arrow",
  arrows: "{count} arrows",
  copied: "coordinates copied",
  copiedFrames: "coordinates copied, one a frame",
  pastedOne: "pasted 1 arrow",
  pasted: "pasted {count} arrows",
  nothingPasted: "the clipboard holds no arrows",
  nothingPainted: "nothing is painted: everything may move",

  // The flow's settings
  flowNote: "flow",
  flowDefault: "flow · default settings, for no Densify Flow is connected",
  flowFrames: "{count} frames",
  flowSigma: "σ {sigma} px",
  flowUnrefined: "before Refine Flow",
  regionUnconnected: "without the region: not connected",
  regionUnknown: "its region is known only in the run",
  otherArrows: "without the arrows of other nodes",
  unknown: "known only in the run: {names}",

  // Texts that cannot be read, pictures that cannot be used
  tooLong: "more than 1 MB of text",
  tooDeep: "nested deeper than {most}",
  needsSize: "coordinates in pixels: they show once the picture's size is known",
  noArrows: "neither arrows nor coordinates",
  notJson: "not JSON: {why}",
  otherVersion: "saved by another version of the editor ({saved}, this one is {own})",
  noList: "no list of arrows",
  tooMany: "{count} arrows, allowed at most {most}",
  badPoints: "arrow {number}: its points are no pairs of numbers",
  badId: "arrow {number}: its id is no text, {id}",
  badRef: "the picture's size: {ref}",
  badStrength: "arrow {number}: strength {strength}",
  badRegionSize: "the region: size {size}",
  badRuns: "the region: its runs are no whole numbers",
  badRunSum: "the region: its runs make {sum} pixels, {size} are {pixels}",
  refused: "the server refused {name}: {why}",
  noLoader: "the picture comes from another node than Load Image",
};

/**
 * Says a text of ENGLISH, or what `translated` has in its place.
 * @param {Partial<Record<TextName, string>>} [translated]
 * @returns {Say}
 */
export function texts(translated = {}) {
  return (name, values = {}) => (translated[name] ?? ENGLISH[name]).replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}
