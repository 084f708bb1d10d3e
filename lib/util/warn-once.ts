import { emitWarning } from '../platform/runtime.js';

/** Warns the operator once for each key, with a limit on the keys that it remembers. */
export class WarnOnce {
  readonly #warned = new Set<string>();
  readonly #limit: number;

  /**
   * @param limit - the largest number of keys. Further keys emit no warning. Set it where a peer
   * chooses the keys.
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
   * Whether the key is new and within the limit. Remembers the key. For warnings whose text is
   * costly to make.
   */
  isNew(key: string): boolean {
    if (this.isFull || this.#warned.has(key)) return false;
    this.#warned.add(key);
    return true;
  }
}
