// @ts-check
/** The pack's socket types carry its prefix; workflows that version 0.1.0 saved have the names without. No side effects. */

/** @type {Readonly<Record<string, string>>} */
const RENAMED = {
  MOTION_ARROWS: "DRIFTFIELD_ARROWS",
  OPTICAL_FLOW: "DRIFTFIELD_FLOW", // today core's own name, for a network
  FLOW_REFINER: "DRIFTFIELD_REFINER",
  SVD_ANIMATOR: "DRIFTFIELD_ANIMATOR",
  MOTION_GUIDANCE: "DRIFTFIELD_GUIDANCE",
  ANIMATION: "DRIFTFIELD_ANIMATION",
};

/** @typedef {Record<string, ComfyUI.Definition>} Definitions by node type */

/** @type {(slot: ComfyUI.Slot) => ComfyUI.Id[]} */
const linksOf = (slot) => [slot.link, ...(slot.links ?? []), ...(slot.linkIds ?? [])].filter((id) => id != null);

/**
 * Renames, in place, the socket types of a saved workflow, its subgraphs included. `definitions` are ComfyUI's
 * (/object_info) by node type. Our nodes' slots are renamed where their definition has the new name; links, reroutes and
 * subgraphs' own slots where a renamed link leads to them. A core node's slots are never touched.
 * @param {ComfyUI.Workflow} workflow
 * @param {Definitions} definitions
 */
export function renameSockets(workflow, definitions) {
  const subgraphs = workflow.definitions?.subgraphs ?? [];
  const graphs = [workflow, ...subgraphs];
  while (graphs.map((graph) => renameIn(graph, definitions, subgraphs)).some(Boolean));
}

/**
 * The same for all that is put into an open graph: pasted nodes, node templates, blueprints and inserted workflows go through
 * this one method of a canvas, and no extension is asked. `definitions()` are those of the moment.
 * @param {ComfyUI.GraphCanvas} canvas
 * @param {() => Definitions} definitions
 */
export function renamePasted(canvas, definitions) {
  const { _deserializeItems: put } = canvas;
  canvas._deserializeItems = function (items, ...options) {
    renameSockets({ ...items, definitions: { subgraphs: items.subgraphs } }, definitions());
    return put.call(this, items, ...options);
  };
}

/**
 * One pass over a graph; whether anything was renamed.
 * @type {(graph: ComfyUI.SavedGraph, definitions: Definitions, subgraphs: ComfyUI.SavedGraph[]) => boolean}
 */
function renameIn(graph, definitions, subgraphs) {
  let changed = false;
  /** @type {(thing: any, key?: string | number) => void} */
  const rename = (thing, key = "type") => {
    changed = true;
    thing[key] = RENAMED[thing[key]];
  };
  /** @param {ComfyUI.Slot} slot */
  const isOld = (slot) => typeof slot.type === "string" && slot.type in RENAMED;
  /** @param {any} link */
  const typeKey = (link) => (Array.isArray(link) ? 5 : "type");
  /** @type {Map<ComfyUI.Id, any>} */
  const links = new Map((graph.links ?? []).map((link) => [Array.isArray(link) ? link[0] : link.id, link]));
  /** @param {ComfyUI.Id} id */
  const isNew = (id) => Object.values(RENAMED).includes(links.get(id)?.[typeKey(links.get(id))]);

  for (const node of graph.nodes ?? []) {
    const definition = definitions[node.type];
    const inner = subgraphs.find(({ id }) => id === node.type);
    for (const side of /** @type {const} */ (["inputs", "outputs"])) {
      for (const [i, slot] of (node[side] ?? []).entries()) {
        if (isOld(slot)) {
          const declared = definition ? declaredType(definition, side, slot, i) : inner?.[side]?.[i]?.type;
          if (declared === RENAMED[slot.type] || (!definition && linksOf(slot).some(isNew))) rename(slot);
        }
        if (!Object.values(RENAMED).includes(slot.type)) continue;
        for (const id of linksOf(slot)) {
          const link = links.get(id);
          if (link && link[typeKey(link)] in RENAMED) rename(link, typeKey(link));
        }
      }
    }
  }
  for (const slot of [...(graph.inputs ?? []), ...(graph.outputs ?? [])]) {
    if (isOld(slot) && linksOf(slot).some(isNew)) rename(slot);
  }
  return changed;
}

/** @type {(definition: ComfyUI.Definition, side: "inputs" | "outputs", slot: ComfyUI.Slot, index: number) => unknown} */
const declaredType = ({ input, output }, side, { name }, index) =>
  side === "outputs" ? output?.[index] : (input?.required?.[name] ?? input?.optional?.[name])?.[0];
