// @ts-check
/** What the editor says, by name, in English; {count} and the like stand for values. */

/** @typedef {keyof typeof ENGLISH} TextName */
/** @typedef {(name: TextName, values?: Record<string, unknown>) => string} Say */

export const ENGLISH = {
  // The commands; {keys} are those of commands.js
  arrow: "Arrows ({keys})",
  curve: "Curved arrows ({keys}, or Shift-drag)",
  select: "Select ({keys}, or Ctrl-drag)",
  object: "Move a thing as a whole ({keys}, or Alt-drag)",
  paint: "Paint the region or an object ({keys})",
  erase: "Erase ({keys})",
  lasso: "Lasso: draw round it ({keys})",
  paintObject: "Paint a new object ({keys})",
  release: "Release the object ({keys})",
  timing: "Timing ({keys})",
  undo: "Undo ({keys})",
  redo: "Redo ({keys})",
  fit: "Whole image ({keys})",
  copy: "Copy as KJNodes coordinates; with Shift one point per frame",
  clear: "Clear all; can be undone",
  brushSmaller: "Smaller brush ({keys})",
  brushLarger: "Larger brush ({keys})",
  invert: "Invert the region ({keys})",
  shown: "Show or hide arrows ({keys})",
  numbered: "Numbers ({keys})",
  flow: "Flow: streaks, colours, off ({keys})",
  playing: "Motion, a rough preview ({keys})",
  running: "Play or pause ({keys})",
  selectAll: "Select all ({keys})",
  next: "Next arrow ({keys})",
  previous: "Previous arrow ({keys})",
  leave: "Cancel, deselect ({keys})",
  newArrow: "New arrow ({keys})",
  remove: "Delete ({keys})",
  duplicate: "Duplicate ({keys})",
  stronger: "Stronger ({keys})",
  weaker: "Weaker ({keys})",
  nudge: "Move by 1 pixel ({keys}; Shift: 10)",
  nudgeHead: "Move only the head ({keys})",
  copyArrows: "Copy ({keys})",
  cutArrows: "Cut ({keys})",
  pasteArrows: "Paste ({keys})",
  gestures:
    "Shift- or Ctrl-click: add to the selection. Click again: the arrow underneath. Double-click: add or remove a point " +
    "(Alt-click, too).\n" +
    "Wheel: zoom; over a selected arrow: strength (Shift: finer). Right-drag: pan.",

  // Buttons and fields
  flowButton: "flow",
  playingButton: "motion",
  strength: "strength",
  strengthTip: "Strength of the selected arrows; multiplies the distance",
  mixed: "mixed",
  steady: "steady",
  ease: "ease",
  sway: "sway",
  paintsRegion: "paints the region",
  paintsObject: "paints object {number}",
  brush: "brush size",
  brushTip: "Brush size ([ and ], or Shift-wheel)",
  canvas: "Arrow editor. Arrow keys move, Enter adds an arrow, comma and full stop select one.",

  // The line of help
  helpProblem: "These arrows cannot be read. Clear all to start again.",
  helpNone: "Drag: arrow · Shift-drag: curve · click: pin · Ctrl-drag: select",
  helpOne: "O: move the thing as a whole · drag a point: bend · wheel: strength",
  helpObject: "Object {number} · O: add or take parts · click in it: a pin to turn about",
  helpParts: "Click: add a part · Alt-click: take one away · A: arrows, pins · B, E, L: by hand",
  helpEmptyObject: "Object {number} is empty: paint it (B, L), or click it with O",
  helpClickThing: "Click the thing that the arrow moves",
  helpDragThing: "Drag a thing to where it goes, or click one that has an arrow",
  helpMany: "Drag: move all · wheel: strength · Del: delete · Ctrl+D: duplicate",
  helpHidden: "The arrows are hidden, but still used. H shows them.",
  helpPaint: "Paint where things may move · Alt: erase · [ ]: size",
  helpErase: "Erase what was painted · Alt: paint · [ ]: size",
  helpLasso: "Draw round what may move · Alt: cut it out",
  helpPaintObject: "Paint object {number} · Alt: erase · [ ]: size · Esc: the region instead",
  helpEraseObject: "Erase object {number} · Alt: paint · [ ]: size · Esc: the region instead",
  helpLassoObject: "Draw round object {number} · Alt: cut out · Esc: the region instead",
  helpUnconnected: "Connect region to Densify Flow or Enliven, otherwise painting does nothing",
  oneArrow: "1 arrow",
  arrows: "{count} arrows",
  copied: "coordinates copied",
  copiedFrames: "coordinates copied, one point per frame",
  pastedOne: "pasted 1 arrow",
  pasted: "pasted {count} arrows",
  nothingPasted: "no arrows in the clipboard",
  frameTip: "Drag to a frame",
  frameOf: "frame {number} of {count}",
  cutting: "The objects are being cut out …",
  finding: "Looking for the thing there …",
  noFinder: "Things cannot be found on this page: paint the object (Shift+O)",
  noFile: "The image is no file of ComfyUI's yet: run once, or paint (Shift+O)",
  noArrowSelected: "Select an arrow first",
  noObjectSelected: "No selected arrow moves an object",
  invertsRegion: "This swaps the region, not an object: deselect the arrow first",
  nothingPainted: "nothing is painted: everything may move",

  // The flow's settings
  flowNote: "flow",
  flowDefault: "flow · default settings, because no Densify Flow is connected",
  flowFrames: "{count} frames",
  flowSigma: "σ {sigma} px",
  flowShare: "σ {percent} %",
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
