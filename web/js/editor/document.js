// @ts-check
/**
 * What is saved: the drawn state, the text that says it, and undo over it. Knows nothing of how it is looked at.
 * @import { Point } from "./geometry.js"
 * @import { Arrow, State } from "./state.js"
 */
import { History } from "./history.js";
import { alone } from "./objects.js";
import { SizeNeededError, UnreadableError, parse, serialize } from "./saved_text.js";
import { cleared, empty } from "./state.js";

export class Document {
  #text = "";
  /** @type {History<State>} */
  #history = new History(empty);
  /** @type {State | null} */
  #preview = null;
  /** @type {Point | null} */
  #pictureSize = null;
  #onText;
  #onChange;

  /**
   * Why the text could not be read. Nothing is kept over such a text but its clearing.
   * @type {UnreadableError | null}
   */
  problem = null;

  /**
   * @param {object} listeners
   * @param {(text: string) => void} listeners.onText a person changed what is saved
   * @param {() => void} listeners.onChange `state` or `problem` is another
   */
  constructor({ onText, onChange }) {
    this.#onText = onText;
    this.#onChange = onChange;
  }

  /** The state on the screen: while something is dragged, what a release would commit. */
  get state() {
    return this.#preview ?? this.#history.state;
  }

  get text() {
    return this.#text;
  }

  /** The picture's size in px, or that of the picture when the text was saved; null where neither is known. */
  get size() {
    return this.#pictureSize ?? this.state.ref ?? null;
  }

  get isEmpty() {
    return !this.state.arrows.length && !this.state.region && !this.state.objects.length;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /**
   * Another text from outside; history begins anew.
   * @param {string} text
   */
  setText(text) {
    this.#text = text;
    this.#preview = null;
    try {
      this.#history = new History(parse(text, this.#pictureSize));
      this.problem = null;
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      this.#history = new History(empty);
      this.problem = error;
    }
    this.#onChange();
  }

  /** @param {Point | null} size px */
  setPictureSize(size) {
    this.#pictureSize = size;
    if (this.problem instanceof SizeNeededError && size) this.setText(this.#text);
  }

  /**
   * Shows a state without keeping it.
   * @param {State} state
   */
  preview(state) {
    this.#preview = state;
    this.#onChange();
  }

  /** Goes back from a preview to what is kept. */
  cancel() {
    this.#preview = null;
    this.#onChange();
  }

  /**
   * Keeps a state.
   * @param {State} state
   * @param {string | null} key see History.commit
   */
  commit(state, key = null) {
    this.#preview = null;
    if (!this.problem) {
      this.#history.commit(state, key);
      this.#write();
    }
    this.#onChange();
  }

  /** What follows is a step of its own. */
  seal() {
    this.#history.seal();
  }

  undo() {
    this.#preview = null;
    if (this.#history.undo()) this.#write();
    this.#onChange();
  }

  redo() {
    this.#preview = null;
    if (this.#history.redo()) this.#write();
    this.#onChange();
  }

  /** Leaves nothing; the way out of a text that cannot be read, too. */
  clear() {
    if (this.problem) {
      this.problem = null;
      this.#history = new History(empty);
      this.#write();
      this.#onChange();
    } else if (!this.isEmpty) {
      this.commit(cleared(this.state));
    }
  }

  /**
   * The text of some of the arrows alone, with their objects.
   * @param {readonly Arrow[]} arrows
   */
  textOf(arrows) {
    return serialize({ ...alone(this.state, arrows), region: null, rest: {} }, this.#pictureSize);
  }

  #write() {
    const text = serialize(this.#history.state, this.#pictureSize);
    if (text === this.#text) return;
    this.#text = text;
    this.#onText(text);
  }
}
