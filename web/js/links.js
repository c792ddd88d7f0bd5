/** Following a graph's links, through subgraphs. `app` is ComfyUI's, or what has its `graph`. No side effects. */

const MAX_STEPS = 32; // through a graph that might go round

/** Where input `index` of `node` comes from, {node, slot}, or null. */
export function sourceOf(app, node, index) {
  const link = linksOf(node.graph).find(({ target_id, target_slot }) => target_id === node.id && target_slot === index);
  return link ? originOf(app, node.graph, link) : null;
}

/** The nodes that the picture at input `name` of `node` has come through, the nearest first. */
export function* picturesBefore(app, node, name) {
  const isPicture = (input) => (name ? input.name === name : input.type === "IMAGE" || input.type === "*");
  for (let step = 0; step < MAX_STEPS; step++) {
    const index = node.inputs?.findIndex(isPicture) ?? -1;
    const origin = index >= 0 ? sourceOf(app, node, index)?.node : null;
    if (!origin) return;
    yield origin;
    [node, name] = [origin, null];
  }
}

/** The nodes that output `slot` of `node` goes to. */
export function targetsOf(app, node, slot) {
  return endsOf(app, node.graph, linksOf(node.graph).filter(({ origin_id, origin_slot }) => origin_id === node.id && origin_slot === slot));
}

// Asked for like this, because a subgraph's node answers for its inside, and a node that is being made has no graph.
const linksOf = (graph) => [...(graph?.links.values() ?? [])];

function originOf(app, graph, link) {
  if (graph.inputNode && link.origin_id === graph.inputNode.id) {
    const outer = holders(rootOf(app), graph).map((holder) => sourceOf(app, holder, link.origin_slot));
    return outer.find(Boolean) ?? null;
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node?.subgraph) return node ? { node, slot: link.origin_slot } : null;
  const inner = node.subgraph.getLink(node.subgraph.outputs[link.origin_slot]?.linkIds[0]);
  return inner ? originOf(app, node.subgraph, inner) : null;
}

function endsOf(app, graph, links) {
  return links.flatMap((link) => {
    if (graph.outputNode && link.target_id === graph.outputNode.id) {
      return holders(rootOf(app), graph).flatMap((holder) => targetsOf(app, holder, link.target_slot));
    }
    const node = graph.getNodeById(link.target_id);
    if (!node?.subgraph) return node ? [node] : [];
    const ids = node.subgraph.inputs[link.target_slot]?.linkIds ?? [];
    return endsOf(app, node.subgraph, ids.map((id) => node.subgraph.getLink(id)).filter(Boolean));
  });
}

export const rootOf = (app) => app.graph.rootGraph ?? app.graph;

/** The nodes, anywhere in `graph`, that stand for the subgraph `inner`. */
function holders(graph, inner) {
  const inside = (node) => [...(node.subgraph === inner ? [node] : []), ...holders(node.subgraph, inner)];
  return graph.nodes.flatMap((node) => (node.subgraph ? inside(node) : []));
}
