/** Keys and the clipboard, on the element that has the editor's focus. */
import { pictureIn } from "./drop.js";

const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Does what the key says; false for a key that is not the editor's. */
export function press(event, model, pointer) {
  const { key, shiftKey, altKey } = event;
  const letter = key.toLowerCase();
  const act = (command) => {
    pointer.cancel(); // what is being dragged would undo it
    command();
    return true;
  };
  if (event.ctrlKey || event.metaKey) {
    const commands = {
      z: () => (shiftKey ? model.redo() : model.undo()),
      y: () => model.redo(),
      d: () => model.duplicate(),
      a: () => model.select(model.state.arrows.map(({ id }) => id)),
    };
    return Object.hasOwn(commands, letter) && act(commands[letter]);
  }
  if (key in NUDGES) {
    const [x, y] = NUDGES[key];
    const step = shiftKey ? 10 : 1;
    return act(() => model.selected.size && model.nudge(x * step, y * step, { head: altKey }));
  }
  if (altKey) return false;
  const commands = {
    delete: () => model.remove(),
    backspace: () => model.remove(),
    "+": () => model.changeStrength(0.1),
    "=": () => model.changeStrength(0.1),
    "-": () => model.changeStrength(-0.1),
    ".": () => model.step(1),
    ",": () => model.step(-1),
    enter: () => model.add([{ points: [[0.45, 0.5], [0.55, 0.5]] }]),
    a: () => model.use({ tool: "arrow" }),
    c: () => model.use({ tool: "curve" }),
    s: () => model.use({ tool: "select" }),
    b: () => model.use({ tool: "paint" }),
    e: () => model.use({ tool: "erase" }),
    i: () => model.invertRegion(),
    "[": () => model.resizeBrush(1 / 1.2),
    "]": () => model.resizeBrush(1.2),
    f: () => model.nextFlow(),
    p: () => model.use({ playing: !model.playing }),
    h: () => model.use({ shown: !model.shown }),
    n: () => model.use({ numbered: !model.numbered }),
    0: () => model.fit(),
  };
  if (letter === "escape") {
    if (!pointer.isBusy() && !model.selected.size) return false;
    if (pointer.isBusy()) pointer.cancel();
    else model.select([]);
    return true;
  }
  return Object.hasOwn(commands, letter) && act(commands[letter]);
}

/** `sink` is the hidden text field that holds the focus: text fields keep their own undo and clipboard in ComfyUI. */
export function listen(root, sink, model, pointer, { signal, host }) {
  const refill = () => {
    sink.value = " "; // something to copy, or no copy event comes
    sink.select();
  };
  const keydown = (event) => {
    if (event.target !== sink && event.target.tagName !== "BUTTON") {
      event.stopPropagation(); // the strength field's own keys
      return;
    }
    const pressesButton = event.target !== sink && ["Enter", " "].includes(event.key);
    if (pressesButton || !press(event, model, pointer)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  let waiting = null;
  const copy = (event) => {
    const text = waiting ?? model.copied();
    waiting = null;
    event.stopPropagation();
    event.preventDefault();
    if (!text) return;
    event.clipboardData.setData("text/plain", text);
    if (event.type === "cut") model.remove();
  };
  const paste = (event) => {
    event.stopPropagation();
    event.preventDefault();
    const picture = pictureIn(event.clipboardData);
    if (picture && host.picture) {
      host.picture(picture);
      return;
    }
    const count = model.paste(event.clipboardData.getData("text/plain"));
    model.say(model.t(count ? (count === 1 ? "pastedOne" : "pasted") : "nothingPasted", { count }));
  };
  root.addEventListener("keydown", keydown, { signal });
  sink.addEventListener("focus", refill, { signal });
  sink.addEventListener("input", refill, { signal });
  sink.addEventListener("copy", copy, { signal });
  sink.addEventListener("cut", copy, { signal });
  sink.addEventListener("paste", paste, { signal });
  return {
    /** Puts a text on the clipboard; works on plain http, too, where navigator.clipboard does not exist. */
    copy(text) {
      waiting = text;
      sink.focus({ preventScroll: true });
      refill();
      document.execCommand("copy");
    },
  };
}
