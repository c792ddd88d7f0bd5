/** What the editor says, by name, in English; {count} and the like stand for values. */

export const ENGLISH = {
  // Buttons and fields
  arrow: "Draw arrows (A)",
  curve: "Draw curved arrows (C, or Shift-drag)",
  select: "Select with a box (S, or Ctrl-drag)",
  paint: "Paint the region that may move (B)",
  erase: "Erase the region (E)",
  undo: "Undo (Ctrl+Z)",
  redo: "Redo (Ctrl+Shift+Z, Ctrl+Y)",
  fit: "Whole picture (0)",
  copy: "Copy as KJNodes coordinates; with Shift one point a frame",
  clear: "Clear all; undo brings it back",
  invert: "Swap what may move and what may not (I)",
  shown: "Show or hide the arrows (H)",
  numbered: "Numbers (N)",
  flow: "Show the flow: off, streaks, colours (F)",
  playing: "Move the picture along the flow, roughly (P)",
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
  keys:
    "A arrow, C curve, S select tool. Shift-drag: curve. Ctrl-drag: select with a box; Shift- or Ctrl-click: add to it.\n" +
    "Double-click a segment: add a point; a point: drop it (Alt-click too). Click again: the arrow underneath.\n" +
    "Wheel over a selected arrow, + and -: strength (Shift: finer). Elsewhere: zoom; 0: whole picture; right-drag: pan.\n" +
    "B paint, E erase the region that may move; [ and ] or Shift-wheel: brush size; I: invert. F flow, P motion.\n" +
    "Arrow keys: move by a pixel (Shift: 10; Alt: the head alone). Enter: new arrow. , and .: previous and next.\n" +
    "Del, Ctrl+D, Ctrl+A, Ctrl+C, Ctrl+X, Ctrl+V (also KJNodes coordinates), Ctrl+Z, Ctrl+Shift+Z, Ctrl+Y, Esc.",
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

/** say(name, values): a text of ENGLISH, or what `translated` has in its place. */
export function texts(translated = {}) {
  return (name, values = {}) => (translated[name] ?? ENGLISH[name]).replace(/\{(\w+)\}/g, (_, key) => values[key]);
}
