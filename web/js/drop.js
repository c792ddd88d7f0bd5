// @ts-check
/**
 * A picture file that is dropped on an editor, or pasted, becomes the one under its arrows.
 * @import { Say } from "./editor/texts.js"
 */
import { picturesBefore } from "./links.js";

/**
 * Uploads the file and gives it to the Load Image node that `node`'s picture comes from, or to a new one where nothing
 * is connected. Throws an Error that says why it cannot, in the language of `t`.
 * @param {{ app: ComfyUI.Source, api: ComfyUI.Api, LiteGraph: ComfyUI.LiteGraph, t: Say }} page
 * @param {ComfyUI.Node} node
 * @param {File} file
 */
export async function usePicture({ app, api, LiteGraph, t }, node, file) {
  const loader = loaderBefore(app, node, t);
  const body = new FormData();
  body.append("image", file);
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (response.status !== 200) throw new Error(t("refused", { name: file.name, why: response.statusText }));
  const { name, subfolder } = await response.json();
  const value = subfolder ? `${subfolder}/${name}` : name;
  const { widgets } = loader ?? newLoader(LiteGraph, node);
  const widget = /** @type {ComfyUI.Widget} */ (widgets?.find((candidate) => candidate.name === "image"));
  const { values } = widget.options;
  if (Array.isArray(values) && !values.includes(value)) values.push(value);
  widget.value = value;
  widget.callback?.(value);
}

/**
 * The LoadImage before `node`, null where nothing is connected.
 * @type {(app: ComfyUI.Source, node: ComfyUI.Node, t: Say) => ComfyUI.Node | null}
 */
function loaderBefore(app, node, t) {
  const before = [...picturesBefore(app, node, "image")];
  const loader = before.find((origin) => (origin.comfyClass ?? origin.type) === "LoadImage");
  if (!loader && before.length) throw new Error(t("noLoader"));
  return loader ?? null;
}

/** @type {(LiteGraph: ComfyUI.LiteGraph, node: ComfyUI.Node) => ComfyUI.Node} */
function newLoader(LiteGraph, node) {
  const loader = LiteGraph.createNode("LoadImage");
  node.graph?.add(loader);
  loader.pos = [node.pos[0] - loader.size[0] - 60, node.pos[1]];
  loader.connect(0, node, node.inputs.findIndex(({ name }) => name === "image"));
  return loader;
}
