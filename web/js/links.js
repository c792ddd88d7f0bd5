/** Following a graph's links, through subgraphs. `app` is ComfyUI's, or what has its `graph`. No side effects. */

/** Where input `index` of `node` comes from, {node, slot}, or null. */
export function sourceOf(app, node, index) {
  const link = linkOf(node.graph, node.inputs?.[index]?.link);
  return link ? originOf(app, node.graph, link) : null;
}

/** The nodes that output `slot` of `node` goes to. */
export const targetsOf = (app, node, slot) => endsOf(app, node.graph, node.outputs?.[slot]?.links);

const linkOf = (graph, id) => (id == null ? null : (graph?.getLink?.(id) ?? graph?.links?.[id]));

function originOf(app, graph, link) {
  if (graph.inputNode && link.origin_id === graph.inputNode.id) {
    const outer = holders(rootOf(app), graph).map((holder) => sourceOf(app, holder, link.origin_slot));
    return outer.find(Boolean) ?? null;
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node?.subgraph) return node ? { node, slot: link.origin_slot } : null;
  const inner = linkOf(node.subgraph, node.subgraph.outputs[link.origin_slot]?.linkIds?.[0]);
  return inner ? originOf(app, node.subgraph, inner) : null;
}

function endsOf(app, graph, ids) {
  return (ids ?? []).flatMap((id) => {
    const link = linkOf(graph, id);
    if (!link) return [];
    if (graph.outputNode && link.target_id === graph.outputNode.id) {
      return holders(rootOf(app), graph).flatMap((holder) => targetsOf(app, holder, link.target_slot));
    }
    const node = graph.getNodeById(link.target_id);
    if (!node?.subgraph) return node ? [node] : [];
    return endsOf(app, node.subgraph, node.subgraph.inputs[link.target_slot]?.linkIds);
  });
}

const rootOf = (app) => app.graph.rootGraph ?? app.graph;

/** The nodes, anywhere in `graph`, that stand for the subgraph `inner`. */
function holders(graph, inner) {
  const inside = (node) => [...(node.subgraph === inner ? [node] : []), ...holders(node.subgraph, inner)];
  return graph.nodes.flatMap((node) => (node.subgraph ? inside(node) : []));
}
