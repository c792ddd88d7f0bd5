// @ts-check
/**
 * Picture files that come by the pointer or the clipboard.
 * @import { Host } from "./editor.js"
 */

/** @param {{ type: string }} file */
const isPicture = ({ type }) => type.startsWith("image/");

/**
 * The first picture among the files of a drop or a paste, or undefined.
 * @param {DataTransfer | null} transfer
 */
export const pictureIn = (transfer) => [...(transfer?.files ?? [])].find(isPicture);

/**
 * Takes pictures that are dropped on `root`; other files stay the page's.
 * @param {HTMLElement} root
 * @param {{ signal: AbortSignal, host: Host }} page
 */
export function listen(root, { signal, host }) {
  /** @param {DragEvent} event */
  const over = (event) => {
    const { dataTransfer } = event;
    if (!host.picture || !dataTransfer || ![...dataTransfer.items].some(isPicture)) return;
    event.preventDefault();
    event.stopPropagation();
    dataTransfer.dropEffect = "copy";
  };
  /** @param {DragEvent} event */
  const dropped = (event) => {
    const file = pictureIn(event.dataTransfer);
    if (!host.picture || !file) return;
    event.preventDefault();
    event.stopPropagation();
    host.picture(file);
  };
  root.addEventListener("dragenter", over, { signal });
  root.addEventListener("dragover", over, { signal });
  root.addEventListener("drop", dropped, { signal });
}
