// @ts-check
/** Shows a node's report, the `text` of its ui output, on the node: front ends draw it for core's own nodes alone. */

import { outputOf } from "./background.js";

const NODES = [
  "DriftfieldAnimateImage",
  "DriftfieldExtendAnimation",
  "DriftfieldExtendAnimationOtherMethods",
  "DriftfieldFollowFlow",
  "DriftfieldMotionStrength",
];
const HEIGHT = 70;
const LOOK_MS = 500; // front ends put the outputs of a tab that is opened again back a while after its nodes
const LOOKS = 40; // a node that never ran has nothing to wait for
const STYLE =
  `box-sizing:border-box;width:100%;height:100%;min-height:${HEIGHT - 10}px;overflow:auto;` +
  "padding:4px 8px;border-radius:6px;font:12px/1.35 sans-serif;" +
  "white-space:pre-wrap;overflow-wrap:anywhere;user-select:text;background:rgba(0,0,0,.25);color:var(--input-text,#ddd)";

const height = () => HEIGHT;

/**
 * Gives the node its report widget. A workflow's tab that is opened again shows what ComfyUI kept of its last run.
 * @param {ComfyUI.App} app
 * @param {ComfyUI.Node} node
 */
export function addReport(app, node) {
  if (!node.comfyClass || !NODES.includes(node.comfyClass)) return;
  const shown = Object.assign(document.createElement("div"), { className: "driftfield-report" });
  shown.style.cssText = STYLE;
  shown.addEventListener("wheel", (event) => event.stopPropagation());
  const widget = node.addDOMWidget("driftfield_report", "driftfield_report", shown, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: height,
  });
  widget.serialize = false;
  /** @param {ComfyUI.Output | undefined} output */
  const show = (output) => {
    if (output?.text) shown.textContent = [output.text].flat().join("\n");
  };
  const { onExecuted, onAdded, onRemoved } = node;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let looking;
  node.onExecuted = function (...all) {
    onExecuted?.apply(this, all);
    show(all[0]);
  };
  node.onAdded = function (...all) {
    onAdded?.apply(this, all);
    clearInterval(looking);
    let left = LOOKS;
    looking = setInterval(() => {
      if (!shown.textContent) show(outputOf(app, node));
      if (shown.textContent || !--left) clearInterval(looking);
    }, LOOK_MS);
  };
  node.onRemoved = function (...all) {
    clearInterval(looking);
    onRemoved?.apply(this, all);
  };
}
