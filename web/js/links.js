// @ts-check
/** Following a graph's links, through subgraphs. No side effects. */

/** @typedef {{ graph: ComfyUI.Graph }} App ComfyUI's, or what has its graph */

const MAX_STEPS = 32; // through a graph that might go round

/**
 * Where input `index` of `node` comes from, or null.
 * @type {(app: App, node: ComfyUI.Node, index: number) => { node: ComfyUI.Node, slot: number } | null}
 */
export function sourceOf(app, node, index) {
  const { graph, id } = node;
  const link = linksOf(graph).find(({ target_id, target_slot }) => target_id === id && target_slot === index);
  return graph && link ? originOf(app, graph, link) : null;
}

/**
 * The nodes that the picture at input `name` of `node` has come through, the nearest first.
 * @param {App} app
 * @param {ComfyUI.Node} node
 * @param {string | null} name
 */
export function* picturesBefore(app, node, name) {
  /** @param {ComfyUI.Slot} input */
  const isPicture = (input) => (name ? input.name === name : input.type === "IMAGE" || input.type === "*");
  for (let step = 0; step < MAX_STEPS; step++) {
    const index = node.inputs?.findIndex(isPicture) ?? -1;
    const origin = index >= 0 ? sourceOf(app, node, index)?.node : null;
    if (!origin) return;
    yield origin;
    [node, name] = [origin, null];
  }
}

/**
 * The nodes that output `slot` of `node` goes to.
 * @type {(app: App, node: ComfyUI.Node, slot: number) => ComfyUI.Node[]}
 */
export function targetsOf(app, node, slot) {
  const { graph, id } = node;
  const links = linksOf(graph).filter(({ origin_id, origin_slot }) => origin_id === id && origin_slot === slot);
  return graph ? endsOf(app, graph, links) : [];
}

/**
 * Asked for like this, because a subgraph's node stands for its inside, and a node that is being made has no graph.
 * @param {ComfyUI.Graph | null} graph
 */
const linksOf = (graph) => [...(graph?.links.values() ?? [])];

/** @type {(app: App, graph: ComfyUI.Graph, link: ComfyUI.Link) => { node: ComfyUI.Node, slot: number } | null} */
function originOf(app, graph, link) {
  if (graph.inputNode && link.origin_id === graph.inputNode.id) {
    const outer = holders(rootOf(app), graph).map((holder) => sourceOf(app, holder, link.origin_slot));
    return outer.find(Boolean) ?? null;
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node?.subgraph) return node ? { node, slot: link.origin_slot } : null;
  const { subgraph } = node;
  const inner = subgraph.getLink(subgraph.outputs[link.origin_slot]?.linkIds?.[0]);
  return inner ? originOf(app, subgraph, inner) : null;
}

/** @type {(app: App, graph: ComfyUI.Graph, links: ComfyUI.Link[]) => ComfyUI.Node[]} */
function endsOf(app, graph, links) {
  return links.flatMap((link) => {
    if (graph.outputNode && link.target_id === graph.outputNode.id) {
      return holders(rootOf(app), graph).flatMap((holder) => targetsOf(app, holder, link.target_slot));
    }
    const node = graph.getNodeById(link.target_id);
    if (!node?.subgraph) return node ? [node] : [];
    const { subgraph } = node;
    const ids = subgraph.inputs[link.target_slot]?.linkIds ?? [];
    return endsOf(app, subgraph, ids.flatMap((id) => subgraph.getLink(id) ?? []));
  });
}

/** @param {App} app */
export const rootOf = (app) => app.graph.rootGraph ?? app.graph;

/**
 * The nodes, anywhere in `graph`, that stand for the subgraph `inner`.
 * @type {(graph: ComfyUI.Graph, inner: ComfyUI.Graph) => ComfyUI.Node[]}
 */
function holders(graph, inner) {
  return graph.nodes.flatMap((node) => {
    if (!node.subgraph) return [];
    return [...(node.subgraph === inner ? [node] : []), ...holders(node.subgraph, inner)];
  });
}
