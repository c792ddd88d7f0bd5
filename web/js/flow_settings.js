// @ts-check
/**
 * What the nodes behind an arrow editor will make of its arrows, read from their fields before anything runs.
 * @import { Say } from "./editor/texts.js"
 * @import { FlowSettings, LivingSettings } from "./flow/field.js"
 */
import { ownPicture } from "./background.js";
import { sourceOf, targetsOf } from "./links.js";

const SPARSE = "DriftfieldArrowsToSparseFlow";
const DENSE = "DriftfieldDensifyFlow";
const REFINED = "DriftfieldRefineFlow";
const ENLIVEN = "DriftfieldEnliven";
const REGION = 3; // the editor's output
const MAX_STEPS = 32;

/** @typedef {{ regionUrl?: string }} Addressed 1 - alpha of the picture there is the region */
/** @typedef {Partial<FlowSettings> & Addressed & { living: (LivingSettings & Addressed)[] }} FoundSettings */

/**
 * The settings of the first Arrows to Sparse Flow and Densify Flow that `node`'s arrows reach, with a `note` that says what
 * they are or why not, in the language of `t`.
 * @param {ComfyUI.Source} app
 * @param {ComfyUI.Node} node
 * @param {Say} t
 * @returns {FoundSettings}
 */
export function flowSettings(app, node, t) {
  const sparse = reached(app, node, SPARSE);
  const dense = sparse && reached(app, sparse, DENSE);
  if (!dense) return { living: livingFrom(app, reached(app, node, ENLIVEN, REGION), node, t), note: t("flowDefault") };
  /** @type {[ComfyUI.Node, string[]][]} */
  const fields = [[sparse, ["frames", "width", "height"]], [dense, ["sigma", "threshold", "mode"]]];
  /** @type {string[]} */
  const unknown = [];
  /** @type {Record<string, any>} */
  const settings = {};
  for (const [of, names] of fields) {
    for (const name of names) {
      const value = plainValue(app, of, name);
      if (value === undefined) unknown.push(name);
      else settings[name] = value;
    }
  }
  const { note, ...region } = regionOf(app, dense, node, t);
  const refined = reached(app, dense, REFINED);
  const living = livingFrom(app, reached(app, dense, ENLIVEN) ?? (refined && reached(app, refined, ENLIVEN)), node, t);
  const said = [
    t("flowNote"),
    settings.frames && t("flowFrames", { count: settings.frames }),
    settings.sigma && sigmaInWords(settings.sigma, t),
    settings.mode,
    note,
    refined && t("flowUnrefined"),
    ...living.map(({ kind }) => kind),
  ];
  const others = node.inputs.filter(({ name }, i) => ["coordinates", "tracks"].includes(name) && node.isInputConnected(i));
  if (others.length) said.push(t("otherArrows"));
  if (unknown.length) said.push(t("unknown", { names: unknown.join(", ") }));
  return { ...settings, ...region, living, note: said.filter(Boolean).join(" · ") };
}

/** @type {(sigma: number, t: Say) => string} */
const sigmaInWords = (sigma, t) =>
  sigma < 1 ? t("flowShare", { percent: Number((100 * sigma).toFixed(1)) }) : t("flowSigma", { sigma });

/**
 * A field's value, also where a node has it that does nothing else; undefined where it has to be computed.
 * @type {(app: ComfyUI.Source, node: ComfyUI.Node, name: string) => any}
 */
function plainValue(app, node, name) {
  const index = node.inputs?.findIndex((input) => input.widget?.name === name) ?? -1;
  if (index < 0 || !node.isInputConnected(index)) return node.widgets?.find((widget) => widget.name === name)?.value;
  const origin = sourceOf(app, node, index)?.node;
  const isPlain = origin && !origin.inputs?.some((_, i) => origin.isInputConnected(i));
  return isPlain ? origin.widgets?.find((widget) => widget.name === "value")?.value : undefined;
}

/**
 * What lives by the Enliven node `first` and those after it.
 * @type {(app: ComfyUI.Source, first: ComfyUI.Node | null, node: ComfyUI.Node, t: Say) => FoundSettings["living"]}
 */
function livingFrom(app, first, node, t) {
  const found = [];
  for (let at = first; at && found.length < MAX_STEPS; at = reached(app, at, ENLIVEN)) {
    const of = at;
    const names = ["kind", "seed", "amplitude", "size", "period", "reset"];
    const values = Object.fromEntries(names.map((name) => [name, plainValue(app, of, name)]));
    const { region = null, regionUrl } = regionOf(app, at, node, t);
    if (values.kind !== undefined && values.seed !== undefined) found.push(/** @type {any} */ ({ ...values, region, regionUrl }));
  }
  return found;
}

/** @type {(app: ComfyUI.Source, dense: ComfyUI.Node, node: ComfyUI.Node, t: Say) => Pick<FoundSettings, "region" | "regionUrl" | "note">} */
function regionOf(app, dense, node, t) {
  const index = dense.inputs?.findIndex(({ name }) => name === "region") ?? -1;
  if (index < 0 || !dense.isInputConnected(index)) return { region: null, note: t("regionUnconnected") };
  const origin = sourceOf(app, dense, index);
  if (origin?.node === node) return { region: "painted" };
  const isMask = origin?.slot === 1 && (origin.node.comfyClass ?? origin.node.type) === "LoadImage";
  const url = isMask && ownPicture(app, origin.node);
  return url ? { regionUrl: url } : { region: null, note: t("regionUnknown") };
}

/**
 * The first node of the class `kind` that output `slot` of `node` gets to, through reroutes.
 * @type {(app: ComfyUI.Source, node: ComfyUI.Node, kind: string, slot?: number) => ComfyUI.Node | null}
 */
function reached(app, node, kind, slot = 0) {
  const open = targetsOf(app, node, slot);
  for (let step = 0; step < MAX_STEPS; step++) {
    const next = open.shift();
    if (!next) break;
    if ((next.comfyClass ?? next.type) === kind) return next;
    if (next.type === "Reroute") open.push(...targetsOf(app, next, 0));
  }
  return null;
}
