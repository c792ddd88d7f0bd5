// @ts-check
/**
 * The arrow editor as a part of any page: no framework, and no word of ComfyUI.
 * @import { FlowSettings } from "../flow/field.js"
 * @import { Finder, Picture } from "./session.js"
 * @import { Say } from "./texts.js"
 */
import { paintBrush, regionPainter } from "./brush.js";
import { context2d, element, write } from "./dom.js";
import { scenePainter } from "./draw.js";
import * as drop from "./drop.js";
import * as keyboard from "./keyboard.js";
import { paintObjects } from "./outline.js";
import * as pointer from "./pointer.js";
import { FlowPreview } from "./preview.js";
import { scrubBar } from "./scrub.js";
import { Session } from "./session.js";
import { styleElement } from "./style.js";
import { toolbar } from "./toolbar.js";

const MAX_CANVAS_PX = 4096;

/**
 * What the page takes that the editor leaves.
 * @typedef {object} Host
 * @property {(event: WheelEvent) => void} [wheel]
 * @property {(event: PointerEvent) => void} [pan]
 * @property {(file: File) => void} [picture] one that is dropped or pasted
 * @property {() => boolean} [pans] while true the pointer is the page's
 * @property {Finder["objectAt"]} [objectAt]
 * @property {Finder["layers"]} [layers]
 */

/**
 * Puts an editor into `container`. `value` is the arrows' text (see state.js); `onChange(text)` is called for each
 * change that a person makes. `t` speaks another language (see texts.js).
 * @param {HTMLElement} container
 * @param {{ value?: string, onChange?: (text: string) => void, host?: Host, t?: Say }} options
 */
export function mount(container, { value = "", onChange, host = {}, t }) {
  const ending = new AbortController();
  const { signal } = ending;
  let frame = 0;
  const redraw = () => {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(draw);
  };
  const session = new Session({ onText: onChange, onView: redraw, onCopy: (text) => keys.copy(text), host, t });
  const flow = new FlowPreview(session);
  const paint = scenePainter([(context, scene) => flow.paint(context, scene), regionPainter(), paintObjects]);

  const canvas = element("canvas", "");
  const problem = element("div", "df-problem");
  const sink = element("textarea", "df-sink");
  sink.setAttribute("aria-label", session.t("canvas"));
  sink.setAttribute("inputmode", "none"); // no keyboard pops up on a touch screen
  sink.setAttribute("autocomplete", "off");
  const stage = element("div", "df-stage", canvas, sink, problem);
  const focus = () => sink.focus({ preventScroll: true });
  const tools = toolbar(session, { signal, focus });
  const scrub = scrubBar(session, flow, tools.frames, { signal, focus });
  const root = element("div", "driftfield-editor", styleElement(), tools.bar, tools.options, stage, scrub.bar, tools.foot);
  root.dataset.captureWheel = "true"; // Nodes 2.0: the wheel comes here

  const isFocused = () => root.contains(document.activeElement);
  pointer.listen(canvas, session, { signal, host, focus, isFocused });
  const keys = keyboard.listen(root, sink, session, { signal, host });
  drop.listen(root, { signal, host });
  for (const type of ["pointerdown", "pointermove", "pointerup"]) {
    root.addEventListener(type, (event) => host.pans?.() || event.stopPropagation(), { signal }); // no dragging of the node
  }
  for (const type of ["keydown", "pointerdown"]) {
    root.addEventListener(type, () => session.view.note && session.say(""), { signal, capture: true });
  }
  root.addEventListener("focusout", () => session.gesture || session.document.seal(), { signal });

  function draw() {
    frame = 0;
    flow.advance();
    tools.update();
    scrub.update();
    const unread = session.document.problem;
    problem.hidden = !unread;
    write(problem, unread ? session.t(unread.text, unread.values) : "");
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return; // detached or collapsed: the observer calls again
    const zoomed = canvas.getBoundingClientRect().width / width || 1; // by the graph, through a CSS transform
    const wanted = window.devicePixelRatio * Math.max(zoomed, 1);
    const ratio = Math.min(wanted, MAX_CANVAS_PX / Math.max(width, height));
    const backing = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== backing[0] || canvas.height !== backing[1]) [canvas.width, canvas.height] = backing;
    session.stage = [width, height];
    const context = context2d(canvas);
    context.setTransform(backing[0] / width, 0, 0, backing[1] / height, 0, 0);
    const { scene } = session;
    paint(context, scene);
    paintBrush(context, scene);
    if (flow.moves) redraw();
  }

  const observer = new ResizeObserver(redraw);
  observer.observe(stage);
  container.append(root);
  session.setText(value);
  redraw();

  return {
    element: root,
    session,
    /** @param {string} text */
    setValue: (text) => session.setText(text),
    /** @param {Picture | null} picture */
    setImage: (picture) => session.setPicture(picture),
    /** @param {Partial<FlowSettings>} settings */
    setFlow: (settings) => session.setFlow(settings),
    /** @param {string} note */
    say: (note) => session.say(note),
    destroy() {
      ending.abort();
      observer.disconnect();
      cancelAnimationFrame(frame);
      root.remove();
    },
  };
}
