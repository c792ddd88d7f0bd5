/** The buttons above the picture and the line of help below it. */
import { BRUSHES, LARGEST, SMALLEST } from "./brush.js";

const TOOLS = ["arrow", "curve", "select", "paint", "erase"];

const ICONS = {
  arrow: "M3 13 13 3M6 3h7v7",
  curve: "M3 13c0-8 3-8 5-5s5 2 5-5M10.5 5.5 13 3l2 3",
  select: "M3 5V3h2M8 3h.1M11 3h2v2M13 8v.1M13 11v2h-2M8 13h.1M5 13H3v-2M3 8v.1",
  paint: "M13.5 2.5 7 9M5.5 9.5c-1.5 0-2 1-2 2s-.5 1.5-1.5 1.8c2.5 .8 5.3.2 5.3-2a1.8 1.8 0 0 0-1.8-1.8Z",
  erase: "M6 13h7.5M8.5 3 3 8.5 7 12.5l1-.5 5-5Z M6 6l4 4",
  invert: "M8 2.5a5.5 5.5 0 1 0 0 11ZM8 2.5a5.5 5.5 0 0 1 0 11",
  flow: "M2 5c2-2 4-2 6 0s4 2 6 0M2 9c2-2 4-2 6 0s4 2 6 0M2 13c2-2 4-2 6 0s4 2 6 0",
  playing: "M5 3v10l8-5Z",
  undo: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H7",
  redo: "M10 3l3 3-3 3M13 6H7a4 4 0 0 0 0 8h2",
  shown: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z",
  numbered: "M6 2 5 14M11 2l-1 12M2.5 6h11M2.5 10h11",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  copy: "M6 6h7v7H6ZM10 6V3H3v7h3",
  clear: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5M7 7v3.5M9 7v3.5",
};

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** Sets a text; the same text again would have the page laid out anew. */
export function write(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

/** {bar, options, foot, update()}; `focus` gives the focus back to the picture, `copyText` fills the clipboard. */
export function toolbar(model, { signal, focus, copyText }) {
  const { t } = model;
  const buttons = {};
  const button = (name, act, ...more) => {
    const made = element("button", "", icon(ICONS[name]), ...more);
    if (more.length) made.className = "df-named";
    made.type = "button";
    made.title = t(name);
    made.setAttribute("aria-label", t(name));
    made.dataset.action = name;
    made.addEventListener("click", (event) => {
      act(event);
      focus();
    }, { signal });
    buttons[name] = made;
    return made;
  };
  const gap = () => element("span", "df-gap");
  const tool = (name) => button(name, () => model.use({ tool: name }));

  const strength = document.createElement("input");
  Object.assign(strength, { type: "number", min: "0", step: "0.1", title: t("strengthTip") });
  strength.setAttribute("aria-label", t("strength"));
  const setStrength = () => {
    if (strength.value !== "" && Number.isFinite(strength.valueAsNumber)) model.setStrength(strength.valueAsNumber);
  };
  strength.addEventListener("input", setStrength, { signal });
  strength.addEventListener("keydown", (event) => ["Enter", "Escape"].includes(event.key) && focus(), { signal });

  const size = document.createElement("input");
  Object.assign(size, { type: "range", min: "0", max: "1", step: "any", title: t("brushTip") });
  size.setAttribute("aria-label", t("brush"));
  size.addEventListener("input", () => model.use({ brush: LARGEST ** size.valueAsNumber * SMALLEST ** (1 - size.valueAsNumber) }), { signal });
  size.addEventListener("change", focus, { signal });

  const bar = element(
    "div",
    "df-bar",
    ...TOOLS.map(tool),
    gap(),
    button("undo", () => model.undo()),
    button("redo", () => model.redo()),
    gap(),
    button("fit", () => model.fit()),
    button("copy", ({ shiftKey }) => {
      copyText(model.coordinates({ perFrame: shiftKey }));
      model.say(t(shiftKey ? "copiedFrames" : "copied"));
    }),
    button("clear", () => model.clear()),
  );
  const ofArrows = element("label", "", t("strength"), strength);
  const ofRegion = element("span", "df-group", size, button("invert", () => model.invertRegion()));
  const options = element(
    "div",
    "df-bar",
    ofArrows,
    ofRegion,
    element("span", "df-space"),
    button("shown", () => model.use({ shown: !model.shown })),
    button("numbered", () => model.use({ numbered: !model.numbered })),
    button("flow", () => model.nextFlow(), t("flowButton")),
    button("playing", () => model.use({ playing: !model.playing }), t("playingButton")),
  );
  const [help, count] = [element("span", "df-help"), element("span", "df-count")];
  const foot = element("div", "df-foot", help, count);
  foot.title = t("keys");

  function update() {
    const { selected, state, view } = model;
    for (const name of TOOLS) buttons[name].setAttribute("aria-pressed", String(model.tool === name));
    for (const name of ["shown", "numbered", "playing"]) buttons[name].setAttribute("aria-pressed", String(model[name]));
    buttons.flow.setAttribute("aria-pressed", String(model.flow !== "off"));
    buttons.playing.disabled = !model.picture;
    buttons.undo.disabled = !model.canUndo;
    buttons.redo.disabled = !model.canRedo;
    buttons.fit.disabled = view.zoom === 1;
    buttons.copy.disabled = !state.arrows.length || !model.size;
    buttons.clear.disabled = !state.arrows.length && !state.region && !model.problem;
    buttons.invert.disabled = !state.region;
    ofArrows.hidden = model.tool in BRUSHES;
    ofRegion.hidden = !ofArrows.hidden;
    size.value = Math.log(model.brush / SMALLEST) / Math.log(LARGEST / SMALLEST);

    const strengths = new Set(model.chosen.map((arrow) => arrow.strength));
    strength.disabled = !strengths.size;
    strength.placeholder = strengths.size > 1 ? t("mixed") : "";
    const value = strengths.size === 1 ? String([...strengths][0]) : "";
    const emptied = strength.value === "" && strength.ownerDocument?.activeElement === strength; // to be typed anew
    if (!emptied && (Number(strength.value) !== Number(value) || value === "")) strength.value = value;

    const cut = model.tool in BRUSHES && model.flowSettings.region === null;
    const ofBrush = { paint: "helpPaint", erase: "helpErase" }[model.tool];
    const ofSelected = selected.size > 1 ? "helpMany" : selected.size ? "helpOne" : "helpNone";
    const kind = cut ? "helpUnconnected" : (ofBrush ?? (model.shown ? ofSelected : "helpHidden"));
    const ofFlow = (model.flow !== "off" || model.playing) && !cut && model.flowSettings.note;
    write(help, model.problem ? t("helpProblem") : model.note || ofFlow || t(kind));
    const zoom = view.zoom === 1 ? "" : ` · ${Math.round(view.zoom * 100)} %`;
    const number = state.arrows.length;
    write(count, t(number === 1 ? "oneArrow" : "arrows", { count: number }) + zoom);
  }
  return { bar, options, foot, update };
}
