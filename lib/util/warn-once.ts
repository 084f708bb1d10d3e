import { emitWarning } from '../platform/runtime.js';

/** Warns the operator once for each key, with a limit on the keys that it remembers. */
export class WarnOnce {
  readonly #warned = new Set<string>();
  readonly #limit: number;

  /**
   * @param limit - the number of keys; further ones give no warning. Needed where a peer chooses
   * the keys.
   */
  constructor(limit: number = Infinity) {
    this.#limit = limit;
  }

  /** Emits the warning unless one was emitted for this key. See `emitWarning`. */
  warn(key: string, message: string, code: string, cause?: unknown): void {
    if (this.isNew(key)) emitWarning(message, code, cause);
  }

  /** Whether the limit is reached. */
  get isFull(): boolean {
    return this.#warned.size >= this.#limit;
  }

  /**
   * Whether the key is new and within the limit; from then on it is known. For text that is costly
   * to make.
   */
  isNew(key: string): boolean {
    if (this.isFull || this.#warned.has(key)) return false;
    this.#warned.add(key);
    return true;
  }
}
