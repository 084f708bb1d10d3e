import { K4netError } from '../errors.js';
import { emitWarning } from '../platform/runtime.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { WarnOnce } from '../util/warn-once.js';

/**
 * Reports the errors of single connections to `onError`, or as one process warning for each code.
 */
export class ErrorReporter {
  readonly #onError: ((error: unknown, socket?: LockedSocket) => unknown) | undefined;
  readonly #warnings = new WarnOnce();

  constructor(onError: ((error: unknown, socket?: LockedSocket) => unknown) | undefined) {
    this.#onError = onError;
  }

  report(error: unknown, socket?: LockedSocket): void {
    const onError = this.#onError;
    if (!onError) {
      this.#warn(error);
      return;
    }
    try {
      const result = onError(error, socket);
      if (result instanceof Promise) result.catch(this.#warn.bind(this));
    } catch (thrown) {
      this.#warn(thrown);
    }
  }

  #warn(error: unknown): void {
    const code = K4netError.is(error) ? error.code : 'K4NET_HANDLER';
    if (!this.#warnings.isNew(code)) return;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    emitWarning(
      `${text} (reported once per code; the onError option of listen gets every error)`,
      code,
      error,
    );
  }
}
