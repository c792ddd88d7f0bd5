// @ts-check
/**
 * Puts the arrow editor into ComfyUI's node: the one module here that does something by being loaded.
 * @import { Found } from "./background.js"
 * @import { Say, TextName } from "./editor/texts.js"
 * @import { Mask } from "./flow/field.js"
 */
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { shownPicture, upstreamPicture } from "./background.js";
import { usePicture } from "./drop.js";
import { context2d } from "./editor/dom.js";
import { mount } from "./editor/editor.js";
import { texts } from "./editor/texts.js";
import { flowSettings } from "./flow_settings.js";
import { fillAbsent } from "./older.js";
import { addReport } from "./reports.js";
import { finder } from "./routes.js";
import { renamePasted, renameSockets } from "./sockets.js";

const PACK = "Driftfield";
const NODE = "DriftfieldDrawMotionArrows";
const WIDGET = "arrows";
const STILL = "driftfield_still"; // of the node's ui output
const HOLDER = "driftfield-holder";
const MIN_HEIGHT = 340;
const FIRST_SIZE = { width: 440, height: 560 };
const LOOK_EVERY_MS = 500;

/** @typedef {ReturnType<typeof mount>} Editor */

/** @type {Record<string, Partial<Record<TextName, string>>>} */
let translations = {}; // by language, from locales/*/main.json

/**
 * The text stays the state of truth and is what a workflow saves; only its field is not shown.
 * @param {ComfyUI.Widget} widget
 */
function hideField(widget) {
  widget.hidden = true;
  widget.computeSize = () => [0, -4]; // what ComfyUI adds between widgets, taken back
  widget.options.hidden = true; // Nodes 2.0
}

/**
 * Calls `after` whenever `object[name]` has been called; returns what ends it, and lets go of `after`.
 * @param {any} object
 * @param {string} name
 * @param {((...all: any[]) => void) | null} after
 */
function follow(object, name, after) {
  const before = object[name];
  /** @this {unknown} @param {any[]} all */
  object[name] = function (...all) {
    const result = before?.apply(this, all);
    after?.(...all);
    return result;
  };
  return () => (after = null);
}

/**
 * In Nodes 2.0 a node that the graph's undo made anew shows what was its predecessor's: that one's empty holder.
 * @param {ComfyUI.Node} node
 * @param {HTMLElement} holder
 */
function takePlace(node, holder) {
  if (node.graph !== app.canvas?.graph) return;
  const left = document.querySelector(`[data-node-id="${CSS.escape(String(node.id))}"] .${HOLDER}:empty`);
  left?.replaceWith(holder);
}

// What stays on a node must not keep its editor: front ends were seen to keep removed nodes.
const nothing = () => {};
const minHeight = () => MIN_HEIGHT;

/** @param {ComfyUI.Node} node */
function addEditor(node) {
  const text = node.widgets?.find((widget) => widget.name === WIDGET);
  if (!text) return;
  hideField(text);

  const noteChange = debounced(() => {
    const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
    if (tracker?.captureCanvasState) tracker.captureCanvasState();
    else tracker?.checkState?.(); // front ends before that name
  }, 300);
  const holder = document.createElement("div");
  // As wide as the node, whatever its text would like to be.
  holder.style.cssText = `min-height:${MIN_HEIGHT}px;width:0;min-width:100%;height:100%;pointer-events:auto`;
  holder.classList.add(HOLDER, "widget-expands"); // the latter in Nodes 2.0: takes the height that is left
  const t = texts(translations[app.extensionManager?.setting?.get("Comfy.Locale")]); // another choice reloads the graph
  const editor = mount(holder, {
    value: text.value,
    t,
    onChange(value) {
      text.value = value;
      text.callback?.(value);
      node.graph?.setDirtyCanvas?.(true, true);
      noteChange();
    },
    host: {
      wheel(event) {
        event.preventDefault();
        event.stopPropagation();
        app.canvas.processMouseWheel(event);
      },
      pan: (event) => app.canvas.processMouseDown(event),
      picture: (file) =>
        usePicture({ app, api, LiteGraph: window.LiteGraph, t }, node, file).then(background.look, (error) => editor.say(error.message)),
      pans: () => app.canvas.read_only, // Space is held, or the hand tool chosen
      ...finder({ api, t, picture: () => background.found() }),
    },
  });

  const widget = node.addDOMWidget("driftfield_arrow_editor", "driftfield_arrow_editor", holder, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: minHeight,
  });
  widget.serialize = false;
  node.hideOutputImages = true; // the editor shows the picture; not a second time below it
  node.onDrawBackground = nothing;
  node.setSize([Math.max(FIRST_SIZE.width, node.size[0]), Math.max(FIRST_SIZE.height, node.size[1])]);

  const background = followBackground(node, editor);
  const flow = followFlow(node, editor, t);
  const readBack = () => editor.setValue(text.value ?? "");
  const look = () => {
    if (document.hidden) return;
    if (!holder.isConnected) takePlace(node, holder);
    if (!holder.isConnected) return;
    readBack();
    background.look();
    flow.look();
  };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const following = [
    // Not before: a copied node is made anew for the clipboard alone, and nobody says when that one is gone.
    follow(node, "onAdded", () => (timer ||= setInterval(look, LOOK_EVERY_MS))),
    follow(text.options, "setValue", readBack),
    follow(node, "onConfigure", readBack),
    follow(node, "onConnectionsChange", background.look),
    follow(node, "onExecuted", (/** @type {ComfyUI.Output} */ output) => {
      background.look();
      if (output?.text?.[0]) editor.say(output.text[0]);
    }),
  ];
  const removal = follow(node, "onRemoved", () => {
    clearInterval(timer);
    noteChange.cancel();
    background.stop();
    flow.stop();
    for (const end of [...following, removal]) end();
    editor.destroy();
  });
}

/**
 * Loads the picture under the arrows whenever another one should be there.
 * @param {ComfyUI.Node} node
 * @param {Editor} editor
 */
function followBackground(node, editor) {
  const source = { nodeOutputs: app.nodeOutputs, graph: app.graph, api };
  /** @type {Found | null} */
  let found = null;
  /** @type {string | null | undefined} */
  let shown = null;
  /** @type {{ echoed?: string | null, url?: string }} */
  let ran = {}; // the still that the last run echoed, and which file it was made from
  const look = () => {
    Object.assign(source, { nodeOutputs: app.nodeOutputs, graph: app.graph });
    const echoed = shownPicture(source, node, STILL);
    const above = upstreamPicture(source, node, "image");
    if (echoed !== ran.echoed) ran = { echoed, url: above?.url };
    const showsStill = echoed && (!above || (above.changed && above.url === ran.url)); // the last run's, still right
    found = showsStill ? { url: echoed } : above;
    const key = JSON.stringify(found);
    if (key === shown) return;
    shown = key;
    if (!found) {
      editor.setImage(null);
      return;
    }
    const { url, size, aspect } = found;
    const image = new Image();
    image.onload = () => {
      if (shown === key) editor.setImage({ image, size: size ?? [image.naturalWidth, image.naturalHeight], aspect });
    };
    image.onerror = () => shown === key && editor.setImage(null);
    image.src = url;
  };
  return { look, found: () => found, stop: () => (shown = undefined) };
}

/**
 * Keeps the editor's flow preview at the settings of the nodes behind it.
 * @param {ComfyUI.Node} node
 * @param {Editor} editor
 * @param {Say} t
 */
function followFlow(node, editor, t) {
  /** @type {string | null | undefined} */
  let shown = null;
  const look = () => {
    const found = flowSettings({ nodeOutputs: app.nodeOutputs, graph: app.graph, api }, node, t);
    const key = JSON.stringify(found);
    if (key === shown) return;
    shown = key;
    Promise.all([withMask(found), Promise.all(found.living.map(withMask))]).then(([settings, living]) => {
      if (shown === key) editor.setFlow({ ...settings, living });
    });
  };
  look();
  return { look, stop: () => (shown = undefined) };
}

/**
 * The settings with the region that lies at their address; null where it cannot be loaded.
 * @template {{ regionUrl?: string }} T
 * @param {T} settings
 */
async function withMask({ regionUrl, ...settings }) {
  if (!regionUrl) return settings;
  const image = new Image();
  image.src = regionUrl;
  const loaded = await image.decode().then(() => true, () => false);
  return { ...settings, region: loaded ? transparency(image) : null };
}

/**
 * 1 - alpha of a picture: the mask that LoadImage puts out.
 * @param {HTMLImageElement} image
 * @returns {Mask}
 */
function transparency(image) {
  const canvas = document.createElement("canvas");
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  Object.assign(canvas, { width, height });
  const context = context2d(canvas);
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  return { width, height, data: Float32Array.from({ length: width * height }, (_, i) => 1 - pixels[4 * i + 3] / 255) };
}

/**
 * @param {() => void} act
 * @param {number} wait ms
 */
function debounced(act, wait) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const delayed = () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
  delayed.cancel = () => clearTimeout(timer);
  return delayed;
}

/** ComfyUI's node definitions by type, as far as they are registered. */
function definitions() {
  return Object.fromEntries(Object.entries(window.LiteGraph.registered_node_types).map(([name, { nodeData }]) => [name, nodeData]));
}

app.registerExtension({
  name: "driftfield.arrow_editor",
  async init() {
    renamePasted(window.LGraphCanvas.prototype, definitions);
    const response = await api.fetchApi("/i18n");
    if (!response.ok) throw new Error(`/i18n, the editor's texts: ${response.status} ${response.statusText}`);
    const packs = Object.entries(await response.json());
    translations = Object.fromEntries(packs.map(([language, { driftfield }]) => [language, driftfield?.editor]));
  },
  beforeConfigureGraph(workflow) {
    renameSockets(workflow, definitions());
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) addEditor(node);
    if (node.comfyClass?.startsWith(PACK)) {
      // Looked up when it is wanted: a node that is being made has no type yet.
      const definition = () => window.LiteGraph.registered_node_types[node.type]?.nodeData;
      follow(node, "onConfigure", (saved) => fillAbsent(node, saved, definition()));
    }
    addReport(app, node);
  },
});
