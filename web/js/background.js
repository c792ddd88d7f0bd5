// @ts-check
/** Which picture lies under a node's arrows: found by following the link, before anything has run. No side effects. */

import { picturesBefore, rootOf } from "./links.js";

const BYPASSED = 4;
const ANNOTATED = /^(.*?)(?: \[(input|output|temp)\])?$/;
const KEEPING = new Set(["ImageScale", "Reroute"]); // what is seen does not change
const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif)( \[\w+\])?$/i;

/** @typedef {{ url: string, size?: [number, number], aspect?: number, changed?: boolean }} Found */

/**
 * The picture that reaches `node`'s input, or null. Nodes without a picture of their own are looked through; of a scaling
 * node, its size and its cut about the middle are kept; `changed` where there are others, which may crop, turn or repaint it.
 * @param {ComfyUI.Source} app
 * @param {ComfyUI.Node} node
 * @param {string} inputName
 * @returns {Found | null}
 */
export function upstreamPicture(app, node, inputName) {
  let scaled = {};
  for (const origin of picturesBefore(app, node, inputName)) {
    if (origin.mode === BYPASSED) continue;
    const url = ownPicture(app, origin);
    if (url) return { url, ...scaled };
    scaled = { ...(KEEPING.has(origin.comfyClass ?? origin.type) ? {} : { changed: true }), ...scaling(origin), ...scaled };
  }
  return null;
}

/**
 * What a node's last run sent to be shown, or undefined.
 * @param {ComfyUI.Source} app
 * @param {ComfyUI.Node} node
 */
export function outputOf(app, node) {
  const id = node.graph?.id && node.graph !== rootOf(app) ? `${node.graph.id}:${node.id}` : String(node.id);
  return app.nodeOutputs?.[id];
}

/**
 * The address of the picture that a node sent to be shown when it last ran, or null; its ui output may have another key.
 * @param {ComfyUI.Source} app
 * @param {ComfyUI.Node} node
 */
export function shownPicture(app, node, key = "images") {
  const found = outputOf(app, node)?.[key]?.[0];
  return found?.filename ? viewUrl(app, found.filename, found.subfolder, found.type) : null;
}

/**
 * The address of the picture that a node loads or shows, or null.
 * @param {ComfyUI.Source} app
 * @param {ComfyUI.Node} node
 * @returns {string | null}
 */
export function ownPicture(app, node) {
  const widget = node.widgets?.find(({ name, value }) => name === "image" && typeof value === "string" && PICTURE.test(value));
  if (widget) {
    const [, path, type] = /** @type {RegExpExecArray} */ (ANNOTATED.exec(widget.value));
    const at = path.lastIndexOf("/");
    return viewUrl(app, path.slice(at + 1), at < 0 ? "" : path.slice(0, at), type ?? "input");
  }
  return shownPicture(app, node) ?? node.imgs?.[node.imageIndex ?? 0]?.src ?? null;
}

/** @type {(app: ComfyUI.Source, filename: string, subfolder?: string, type?: string) => string} */
function viewUrl(app, filename, subfolder, type) {
  const path = `/view?${new URLSearchParams({ filename, subfolder: subfolder ?? "", type: type ?? "temp" })}`;
  return app.api?.apiURL?.(path) ?? path;
}

/**
 * What ComfyUI's ImageScale does to a picture's shape.
 * @param {ComfyUI.Node} node
 * @returns {Pick<Found, "size" | "aspect">}
 */
function scaling(node) {
  if ((node.comfyClass ?? node.type) !== "ImageScale") return {};
  /** @param {string} name */
  const value = (name) => node.widgets?.find((widget) => widget.name === name)?.value;
  if (node.inputs?.some(({ name, link }) => ["width", "height", "crop"].includes(name) && link != null)) return {};
  const [width, height] = [value("width"), value("height")];
  if (!(width > 0 && height > 0)) return {};
  return { size: [width, height], ...(value("crop") === "center" ? { aspect: width / height } : {}) };
}
