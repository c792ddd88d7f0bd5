// @ts-check
/**
 * What the pack's routes know of the picture under an editor: nodes/routes.py. No side effects.
 * @import { Found } from "./background.js"
 * @import { Finder } from "./editor/session.js"
 * @import { Say, TextName } from "./editor/texts.js"
 */

/**
 * The editor's questions, put to ComfyUI's server.
 * @param {{ api: ComfyUI.Api, t: Say, picture: () => Found | null }} page `picture` is what the editor shows
 * @returns {Required<Finder>}
 */
export function finder({ api, t, picture }) {
  /** @type {(path: string, question: object, signal: AbortSignal, without?: TextName) => Promise<any>} */
  async function ask(path, question, signal, without = "noFile") {
    const found = picture();
    const file = found && fileOf(found.url);
    if (!file) throw new Error(t(without));
    const body = JSON.stringify({ picture: file, aspect: found.aspect, ...question });
    const headers = { "Content-Type": "application/json" };
    const response = await api.fetchApi(path, { method: "POST", body, headers, signal });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `${path}: ${response.status} ${response.statusText}`);
    return answer;
  }
  return {
    objectAt: (point, pins, signal) => ask("/driftfield/object", { point, pins }, signal),
    layers: (size, objects, margin, signal) => ask("/driftfield/layers", { size, objects, margin }, signal, "rough"),
  };
}

/**
 * The file of ComfyUI's that an address shows; null for any other address.
 * @param {string} url
 */
export function fileOf(url) {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const filename = searchParams.get("filename");
  if (!pathname.endsWith("/view") || !filename) return null;
  return { filename, subfolder: searchParams.get("subfolder") ?? "", type: searchParams.get("type") ?? "output" };
}
