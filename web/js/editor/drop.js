/** Picture files that come by the pointer or the clipboard. */

/** The first picture among the files of a drop or a paste, or undefined. */
export const pictureIn = (transfer) => [...(transfer?.files ?? [])].find(({ type }) => type.startsWith("image/"));

/** Takes pictures that are dropped on `root`; other files stay the page's. */
export function listen(root, { signal, host }) {
  const over = (event) => {
    if (!host.picture || ![...event.dataTransfer.items].some(({ type }) => type.startsWith("image/"))) return;
    event.preventDefault();
    event.stopPropagation();
    event.dataTransfer.dropEffect = "copy";
  };
  const dropped = (event) => {
    const file = pictureIn(event.dataTransfer);
    if (!host.picture || !file) return;
    event.preventDefault();
    event.stopPropagation();
    host.picture(file);
  };
  for (const type of ["dragenter", "dragover"]) root.addEventListener(type, over, { signal });
  root.addEventListener("drop", dropped, { signal });
}
