// @ts-check
/**
 * Undo and redo over immutable states.
 * @template State
 */
export class History {
  /** @type {State[]} */
  #past = [];
  /** @type {State[]} */
  #future = [];
  /** @type {string | null} */
  #key = null;

  /** @param {State} state */
  constructor(state, { limit = 200 } = {}) {
    this.state = state;
    this.limit = limit;
  }

  /**
   * A new state. Changes in a row with the same `key` (turns of a wheel, nudges) are one step back.
   * @param {State} state
   * @param {string | null} key
   */
  commit(state, key = null) {
    if (state === this.state) return;
    if (key === null || key !== this.#key) {
      this.#past.push(this.state);
      if (this.#past.length > this.limit) this.#past.shift();
    }
    this.#key = key;
    this.#future = [];
    this.state = state;
  }

  /** What follows is a step of its own. */
  seal() {
    this.#key = null;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    return this.#step(this.#past, this.#future);
  }

  redo() {
    return this.#step(this.#future, this.#past);
  }

  /**
   * @param {State[]} from
   * @param {State[]} to
   */
  #step(from, to) {
    if (!from.length) return false;
    to.push(this.state);
    this.state = /** @type {State} */ (from.pop());
    this.#key = null;
    return true;
  }
}
