/** The arrow editor as a part of any page: no framework, and no word of ComfyUI. */
import { paintBrush, regionPainter } from "./brush.js";
import { scenePainter } from "./draw.js";
import * as drop from "./drop.js";
import * as keyboard from "./keyboard.js";
import { Model } from "./model.js";
import * as pointer from "./pointer.js";
import { FlowPreview } from "./preview.js";
import { styleElement } from "./style.js";
import { element, toolbar, write } from "./toolbar.js";

const MAX_CANVAS_PX = 4096;

/**
 * Puts an editor into `container`. `value` is the arrows' text (see state.js); `onChange(text)` is called for each
 * change that a person makes. `host` may take what the editor leaves: `wheel(event)`, `pan(event)`, `picture(file)` for
 * one that is dropped or pasted; while `pans()` the pointer is the host's. `t` speaks another language (see texts.js).
 * Returns {destroy(), setValue(text), setImage(picture | null), setFlow(settings), say(note), element, model}; a picture
 * is {image: HTMLImageElement, size: [w, h] px, aspect?}, cut to `aspect` about its middle; for the settings of the flow
 * see preview.js's DEFAULTS, `note` is said along with it.
 */
export function mount(container, { value = "", onChange, host = {}, t }) {
  const ending = new AbortController();
  const { signal } = ending;
  let frame = 0;
  const redraw = () => {
    if (!frame && !signal.aborted) frame = requestAnimationFrame(draw);
  };
  const model = new Model({ onText: onChange, onView: redraw, t });
  const flow = new FlowPreview(model);
  const paint = scenePainter([(...all) => flow.paint(...all), regionPainter()]);

  const canvas = element("canvas", "");
  const problem = element("div", "df-problem");
  const sink = element("textarea", "df-sink");
  sink.setAttribute("aria-label", model.t("canvas"));
  sink.setAttribute("inputmode", "none"); // no keyboard pops up on a touch screen
  sink.setAttribute("autocomplete", "off");
  const stage = element("div", "df-stage", canvas, sink, problem);
  const focus = () => sink.focus({ preventScroll: true });
  const tools = toolbar(model, { signal, focus, copyText: (text) => keys.copy(text) });
  const root = element("div", "driftfield-editor", styleElement(), tools.bar, tools.options, stage, tools.foot);
  root.dataset.captureWheel = "true"; // Nodes 2.0: the wheel comes here

  const gestures = pointer.listen(canvas, model, {
    signal,
    host,
    focus,
    isFocused: () => root.contains(document.activeElement),
  });
  const keys = keyboard.listen(root, sink, model, gestures, { signal, host });
  drop.listen(root, { signal, host });
  for (const type of ["pointerdown", "pointermove", "pointerup"]) {
    root.addEventListener(type, (event) => host.pans?.() || event.stopPropagation(), { signal }); // no dragging of the node
  }
  for (const type of ["keydown", "pointerdown"]) {
    root.addEventListener(type, () => (model.note = ""), { signal, capture: true });
  }
  root.addEventListener("focusout", () => gestures.isBusy() || model.seal(), { signal });

  function draw() {
    frame = 0;
    tools.update();
    problem.hidden = !model.problem;
    write(problem, model.problem ? model.t(model.problem.text, model.problem.values) : "");
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return; // detached or collapsed: the observer calls again
    const zoomed = canvas.getBoundingClientRect().width / width || 1; // by the graph, through a CSS transform
    const wanted = window.devicePixelRatio * Math.max(zoomed, 1);
    const ratio = Math.min(wanted, MAX_CANVAS_PX / Math.max(width, height));
    const backing = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== backing[0] || canvas.height !== backing[1]) [canvas.width, canvas.height] = backing;
    model.stage = [width, height];
    const context = canvas.getContext("2d");
    context.setTransform(backing[0] / width, 0, 0, backing[1] / height, 0, 0);
    const scene = { ...model, box: model.box, arrows: model.state.arrows, region: model.state.region };
    paint(context, scene);
    paintBrush(context, scene);
    if (flow.moves) redraw();
  }

  const observer = new ResizeObserver(redraw);
  observer.observe(stage);
  container.append(root);
  model.setText(value);
  redraw();

  return {
    element: root,
    model,
    redraw,
    setValue: (text) => model.setText(text),
    setImage: (picture) => model.setPicture(picture),
    setFlow: (settings) => model.setFlow(settings),
    say: (note) => model.say(note),
    destroy() {
      ending.abort();
      observer.disconnect();
      cancelAnimationFrame(frame);
      root.remove();
    },
  };
}
