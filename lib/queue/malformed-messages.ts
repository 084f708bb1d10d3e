import { MalformedError, type K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import type { ErrorHooks } from './error-hooks.js';

/** Number of malformed control messages that ends the connection: a correct peer sends none. */
const maxMalformed = 32;

/** Reports messages that break the protocol. Ends the connection at the 32nd. */
export class MalformedMessages {
  readonly #hooks: ErrorHooks;
  readonly #fail: (error: K4netError) => void;
  #count = 0;

  /** @param fail - ends the connection. */
  constructor(hooks: ErrorHooks, fail: (error: K4netError) => void) {
    this.#hooks = hooks;
    this.#fail = fail;
  }

  report(why: string, message: Bytes): void {
    this.#count += 1;
    // Messages that arrived before the failure are still routed, and may be malformed too.
    if (this.#count > maxMalformed) return;
    this.#hooks.reportMalformed(new MalformedError(why, message));
    if (this.#count < maxMalformed) return;
    this.#fail(
      new MalformedError(`the peer sent ${maxMalformed} malformed control messages: ${why}`, message),
    );
  }
}
