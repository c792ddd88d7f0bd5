// @ts-check
/**
 * Keys and the clipboard, on the element that has the editor's focus.
 * @import { Host } from "./editor.js"
 * @import { Session } from "./session.js"
 */
import { COMMANDS, DIRECTIONS } from "./commands.js";
import { pictureIn } from "./drop.js";

const byKeys = new Map(
  COMMANDS.filter(({ clipboard }) => !clipboard).flatMap((command) =>
    (command.keys ?? []).map((keys) => [keys.toLowerCase(), command]),
  ),
);

/**
 * The command of a key that is pressed; Shift and what AltGr adds to Ctrl do not matter where no other command has them.
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} event
 */
function commandOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const modifier = ctrlKey || metaKey ? "ctrl+" : altKey ? "alt+" : "";
  const letter = Object.hasOwn(DIRECTIONS, key) ? "arrow" : key.toLowerCase();
  return (shiftKey && byKeys.get(`${modifier}shift+${letter}`)) || byKeys.get(modifier + letter);
}

/**
 * Does what the key says; false for a key that is not the editor's.
 * @param {Session} session
 * @param {KeyboardEvent} event
 */
export function press(session, event) {
  const command = commandOf(event);
  if (!command) return false;
  if (!command.duringGesture) session.cancel(); // what is being dragged would undo it
  return command.run(session, event) !== false;
}

/**
 * `sink` is the hidden text field that has the focus: text fields keep their own undo and clipboard in ComfyUI.
 * @param {HTMLElement} root
 * @param {HTMLTextAreaElement} sink
 * @param {Session} session
 * @param {{ signal: AbortSignal, host: Host }} page
 */
export function listen(root, sink, session, { signal, host }) {
  const refill = () => {
    sink.value = " "; // something to copy, or no copy event comes
    sink.select();
  };
  /** @param {KeyboardEvent} event */
  const keydown = (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target !== sink && target.tagName !== "BUTTON") {
      event.stopPropagation(); // the strength field's own keys
      return;
    }
    const pressesButton = target !== sink && ["Enter", " "].includes(event.key);
    if (pressesButton || !press(session, event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  root.addEventListener("keydown", keydown, { signal });
  sink.addEventListener("focus", refill, { signal });
  sink.addEventListener("input", refill, { signal });

  /** @type {string | null} */
  let waiting = null;
  for (const { clipboard, run } of COMMANDS) {
    if (!clipboard) continue;
    sink.addEventListener(
      clipboard,
      (event) => {
        event.stopPropagation();
        event.preventDefault();
        const picture = clipboard === "paste" ? pictureIn(event.clipboardData) : undefined;
        if (picture && host.picture) host.picture(picture);
        else if (waiting !== null) event.clipboardData?.setData("text/plain", waiting);
        else run(session, event);
      },
      { signal },
    );
  }
  return {
    /**
     * Puts a text on the clipboard; works on plain http, too, where navigator.clipboard does not exist.
     * @param {string} text
     */
    copy(text) {
      waiting = text;
      sink.focus({ preventScroll: true });
      refill();
      document.execCommand("copy"); // brings the event
      waiting = null;
    },
  };
}
