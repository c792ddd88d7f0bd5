// @ts-check
/**
 * The bar under the picture while something moves: which frame is shown.
 * @import { FlowPreview } from "./preview.js"
 * @import { Session } from "./session.js"
 */
import { element, write } from "./dom.js";

/**
 * `update()` makes it say what is; `focus` gives the focus back to the picture.
 * @param {Session} session
 * @param {FlowPreview} preview
 * @param {HTMLButtonElement[]} buttons
 * @param {{ signal: AbortSignal, focus: () => void }} page
 */
export function scrubBar(session, preview, buttons, { signal, focus }) {
  const { t } = session;
  const frame = element("input", "");
  Object.assign(frame, { type: "range", min: "0", step: "1", title: t("frameTip") });
  frame.setAttribute("aria-label", t("frameTip"));
  frame.addEventListener("input", () => session.show({ frame: frame.valueAsNumber, running: false }), { signal });
  frame.addEventListener("change", focus, { signal });
  const said = element("span", "");
  const bar = element("div", "df-bar df-scrub", ...buttons, frame, said);

  function update() {
    const { frames } = preview;
    const hidden = frames <= 1;
    if (bar.hidden !== hidden) bar.hidden = hidden;
    if (hidden) return;
    frame.max = String(frames - 1);
    frame.value = String(session.view.frame);
    write(said, t("frameOf", { number: session.view.frame + 1, count: frames }));
  }
  return { bar, update };
}
