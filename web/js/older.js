// @ts-check
/** Nodes that were saved before they had a widget mean what they meant. No side effects. */

/**
 * Gives widgets of `node` that `saved` has no value for what the definition calls "absent": what the node did without them.
 * New nodes have a widget's default.
 * @param {ComfyUI.Node} node
 * @param {{ widgets_values?: unknown }} saved
 * @param {ComfyUI.Definition | undefined} definition
 */
export function fillAbsent(node, saved, definition) {
  const optional = definition?.input?.optional ?? {};
  const listed = (node.widgets ?? []).filter(({ serialize }) => serialize !== false);
  const count = Array.isArray(saved.widgets_values) ? saved.widgets_values.length : listed.length;
  for (const widget of listed.slice(count)) {
    const [, options] = /** @type {[unknown, { absent?: unknown }?]} */ (optional[widget.name] ?? []);
    if (options?.absent !== undefined) widget.value = options.absent;
  }
}
