// @ts-check
/**
 * The buttons above the picture and the line of help below it.
 * @import { Command, Group } from "./commands.js"
 * @import { Session } from "./session.js"
 * @import { Timing } from "./state.js"
 */
import { BRUSHES, LARGEST, SMALLEST, paints } from "./brush.js";
import { COMMANDS, GROUPS } from "./commands.js";
import { element, write } from "./dom.js";
import { colorOf } from "./outline.js";
import { TIMINGS } from "./state.js";
import { helpLine, helpOf, keyList } from "./help.js";

/** @param {string} path */
function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/**
 * `update()` makes it say what is; `focus` gives the focus back to the picture.
 * @param {Session} session
 * @param {{ signal: AbortSignal, focus: () => void }} page
 */
export function toolbar(session, { signal, focus }) {
  const { t } = session;
  /** @type {[Command, HTMLButtonElement][]} */
  const buttons = COMMANDS.filter(({ group }) => GROUPS[group].buttons).map((command) => {
    const made = element("button", command.label ? "df-named" : "", icon(command.icon ?? ""));
    if (command.label) made.append(t(command.label));
    made.type = "button";
    made.title = helpOf(command, t);
    made.setAttribute("aria-label", made.title);
    made.dataset.action = command.name;
    made.addEventListener("click", (event) => {
      command.run(session, event);
      focus();
    }, { signal });
    return [command, made];
  });
  /** @param {Group} group */
  const buttonsOf = (group) => buttons.filter(([command]) => command.group === group).map(([, made]) => made);
  const gap = () => element("span", "df-gap");

  const strength = element("input", "");
  Object.assign(strength, { type: "number", min: "0", step: "0.1", title: t("strengthTip") });
  strength.setAttribute("aria-label", t("strength"));
  const setStrength = () => {
    if (strength.value !== "" && Number.isFinite(strength.valueAsNumber)) session.setStrength(strength.valueAsNumber);
  };
  strength.addEventListener("input", setStrength, { signal });
  strength.addEventListener("keydown", (event) => ["Enter", "Escape"].includes(event.key) && focus(), { signal });

  const timing = element("select", "");
  timing.title = t("timing", { keys: "T" });
  timing.setAttribute("aria-label", timing.title);
  const mixed = new Option("–", "");
  mixed.hidden = true;
  timing.append(mixed, ...TIMINGS.map((name) => new Option(t(name), name)));
  const setTiming = () => {
    session.setTiming(/** @type {Timing} */ (timing.value));
    focus();
  };
  timing.addEventListener("change", setTiming, { signal });

  const size = element("input", "");
  Object.assign(size, { type: "range", min: "0", max: "1", step: "any", title: t("brushTip") });
  size.setAttribute("aria-label", t("brush"));
  const setSize = () => session.show({ brush: LARGEST ** size.valueAsNumber * SMALLEST ** (1 - size.valueAsNumber) });
  size.addEventListener("input", setSize, { signal });
  size.addEventListener("change", focus, { signal });

  const groups = /** @type {const} */ (["tools", "objects", "history", "picture"]);
  const bar = element("div", "df-bar", ...groups.flatMap((group, i) => [...(i ? [gap()] : []), ...buttonsOf(group)]));
  const ofArrows = element("span", "df-group", element("label", "", t("strength"), strength), timing);
  const target = element("span", "df-target");
  const ofMasks = element("span", "df-group", size, target, ...buttonsOf("region"));
  const options = element("div", "df-bar", ofArrows, ofMasks, element("span", "df-space"), ...buttonsOf("views"));
  const [help, count] = [element("span", "df-help"), element("span", "df-count")];
  const foot = element("div", "df-foot", help, count);
  foot.title = keyList(t);

  function update() {
    const { view, document } = session;
    for (const [command, made] of buttons) {
      const { pressed, enabled, why } = command;
      if (pressed) made.setAttribute("aria-pressed", String(pressed(session)));
      if (enabled) made.disabled = !enabled(session);
      if (why) made.title = helpOf(command, t) + (made.disabled ? `\n${t(why)}` : "");
    }
    ofArrows.hidden = paints(view.tool);
    ofMasks.hidden = !ofArrows.hidden;
    size.hidden = !(view.tool in BRUSHES);
    write(target, session.target === null ? t("paintsRegion") : t("paintsObject", { number: session.target }));
    target.style.color = session.target === null ? "" : colorOf(document.state, session.target);
    size.value = String(Math.log(view.brush / SMALLEST) / Math.log(LARGEST / SMALLEST));

    const timings = new Set(session.chosen.map((arrow) => arrow.timing ?? "steady"));
    timing.disabled = !timings.size;
    timing.value = timings.size > 1 ? "" : ([...timings][0] ?? "steady");

    const strengths = new Set(session.chosen.map((arrow) => arrow.strength));
    strength.disabled = !strengths.size;
    strength.placeholder = strengths.size > 1 ? t("mixed") : "";
    const value = strengths.size === 1 ? String([...strengths][0]) : "";
    const emptied = strength.value === "" && strength.ownerDocument.activeElement === strength; // to be typed anew
    if (!emptied && (Number(strength.value) !== Number(value) || value === "")) strength.value = value;

    write(help, helpLine(session));
    const zoom = view.camera.zoom === 1 ? "" : ` · ${Math.round(view.camera.zoom * 100)} %`;
    const number = document.state.arrows.length;
    write(count, t(number === 1 ? "oneArrow" : "arrows", { count: number }) + zoom);
  }
  return { bar, options, foot, frames: buttonsOf("frames"), update };
}
