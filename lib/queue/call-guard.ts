import type { K4netErrorCode } from '../error-codes.js';
import { isPromiseLike } from '../util/wait.js';
import type { ErrorHooks } from './error-hooks.js';
import type { IncomingCall } from './incoming-call.js';
import type { CallbackContext } from './types.js';

/** See {@link QueueSocketOptions.authorizeCall}. */
type AuthorizeCall = (name: string, context: CallbackContext) => unknown;

/**
 * The result of a call that does not run. Its code and message are sent to the caller. It is no
 * error, because a peer can cause any number of them, and an error captures a stack.
 */
export class Refusal {
  readonly code: K4netErrorCode;
  readonly message: string;
  /** Whether the program knows the reason already. */
  readonly reported: boolean;

  constructor(code: K4netErrorCode, message: string, reported: boolean = false) {
    this.code = code;
    this.message = message;
    this.reported = reported;
  }
}

export const noCallback = (name: string): Refusal =>
  new Refusal('K4NET_NO_CALLBACK', `there is no callback '${name}'`);

/** The same for a name without a callback, so that the peer does not learn which names exist. */
export const forbidden = (name: string, reported: boolean = false): Refusal =>
  new Refusal('K4NET_FORBIDDEN', `the call of '${name}' is forbidden`, reported);

/** Asks the program whether a call may run, and runs it. */
export class CallGuard {
  readonly #authorize: AuthorizeCall;
  readonly #hooks: ErrorHooks;
  #stopped = false;

  constructor(authorize: AuthorizeCall, hooks: ErrorHooks) {
    this.#authorize = authorize;
    this.#hooks = hooks;
  }

  /** Calls whose authorization is pending do not run any more. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Runs a call if the program allows it. Returns or resolves with a `Refusal` otherwise, and with
   * undefined if the call was cancelled meanwhile.
   *
   * @param request - undefined for a message.
   * @param start - calls the callback.
   */
  run(context: CallbackContext, request: IncomingCall | undefined, start: () => unknown): unknown {
    const { name } = context;
    try {
      const allowed = this.#authorize(name, context);
      if (isPromiseLike(allowed)) return this.#runLater(name, allowed, request, start);
      if (allowed !== true) return forbidden(name);
    } catch (error) {
      return this.#onThrown(name, error);
    }
    return start();
  }

  #runLater(
    name: string,
    allowed: PromiseLike<unknown>,
    request: IncomingCall | undefined,
    start: () => unknown,
  ): Promise<unknown> {
    let result: unknown;
    const refused = Promise.resolve(allowed).then(
      (value) => (value === true ? undefined : forbidden(name)),
      (error: unknown) => this.#onThrown(name, error),
    );
    const started = refused.then((refusal) => {
      if (!this.#stopped && request?.dropped !== true) result = refusal ?? start();
    });
    if (request) request.starting = started.catch(() => undefined);
    return started.then(() => result);
  }

  #onThrown(name: string, error: unknown): Refusal {
    this.#hooks.report(error, 'authorizeCall', 'hook');
    return forbidden(name, true);
  }
}
