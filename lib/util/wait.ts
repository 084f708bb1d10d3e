import pTimeout from 'p-timeout';
import { kindOf } from './bytes.js';
import { K4netError, TimeoutError } from '../errors.js';
import { withOptions } from './options.js';
import { allowListeners, nextTurn } from '../platform/runtime.js';

/** What the library needs of an `AbortSignal`: the DOM's and Node's both have it. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * The type of the signals that the library gives to callbacks and handlers: `AbortSignal` where the environment declares
 * it (the DOM's types and Node's both do), so that `fetch` and others take it, and {@link AbortSignalLike} elsewhere. At
 * run time it always is an `AbortSignal`.
 */
export type GivenAbortSignal = typeof globalThis extends { AbortSignal: { prototype: infer Signal } }
  ? Signal
  : AbortSignalLike;

/** How long a caller is ready to wait. */
export interface WaitOptions {
  /** Milliseconds for the whole call. Left out or Infinity: for ever. 0: only what is possible at once. */
  readonly timeout?: number | undefined;
  /** Ends the wait when it aborts; the call then rejects with the signal's `reason`. */
  readonly signal?: AbortSignalLike | undefined;
}

/** {@link WaitOptions} with both properties present, so that neither is read from `Object.prototype`. */
export type CheckedWait = Required<WaitOptions>;

const unset = (): void => undefined;

/** A promise with its two ends in the hands of its owner. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve: (value: T | PromiseLike<T>) => void = unset;
  reject: (reason: unknown) => void = unset;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** Checks the shape of a signal at the edge, so that nothing deeper has to. */
export function checkSignal(signal: AbortSignalLike | undefined): void {
  if (signal === undefined) return;
  if (
    typeof signal !== 'object' ||
    typeof (signal as Partial<AbortSignalLike>).addEventListener !== 'function'
  ) {
    throw new TypeError(`signal is an AbortSignal, not ${kindOf(signal)}`);
  }
}

/** One listener a signal, however many wait on it, and none when nothing waits. */
export class AbortHub {
  /** Most sockets never see a signal. */
  #watched:
    Map<AbortSignalLike, { listener: () => void; cancels: Set<(reason: unknown) => void> }> | undefined;

  /** Calls `cancel` with the reason when the signal aborts; the returned function takes that back. */
  watch(signal: AbortSignalLike, cancel: (reason: unknown) => void): () => void {
    this.#watched ??= new Map();
    let entry = this.#watched.get(signal);
    if (!entry) {
      const cancels = new Set<(reason: unknown) => void>();
      const listener = (): void => {
        this.#forget(signal, listener);
        for (const each of cancels) each(signal.reason);
      };
      entry = { listener, cancels };
      this.#watched.set(signal, entry);
      signal.addEventListener('abort', listener);
    }
    const { listener, cancels } = entry;
    cancels.add(cancel);
    return () => {
      if (cancels.delete(cancel) && cancels.size === 0) this.#forget(signal, listener);
    };
  }

  #forget(signal: AbortSignalLike, listener: () => void): void {
    signal.removeEventListener('abort', listener);
    this.#watched?.delete(signal);
  }
}

/** A signal that is made when it is first asked for: most callbacks and handlers never use theirs. */
export class LazySignal {
  #controller: AbortController | undefined;
  #reasonOf: (() => unknown) | undefined;

  /** Any number of listeners may wait on it. */
  get signal(): GivenAbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      allowListeners(this.#controller.signal);
      if (this.#reasonOf) this.#controller.abort(this.#reasonOf());
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#reasonOf !== undefined;
  }

  /**
   * Only the first call counts.
   *
   * @param reasonOf - makes the reason, once somebody asks for the signal.
   */
  abort(reasonOf: () => unknown): void {
    if (this.#reasonOf) return;
    this.#reasonOf = reasonOf;
    this.#controller?.abort(reasonOf());
  }
}

/** The longest time that a timer of the platform keeps: above it, it fires at once. */
const longestTimer = 2 ** 31 - 1;

/** A timer that was started. */
export interface Timer {
  stop(): void;
  /** Whether the process stays alive for the timer, where the runtime lets that be chosen. */
  keepAlive(alive: boolean): void;
}

/**
 * A timer for any time. It waits in parts for a time that is too long for a timer of the platform.
 *
 * @param keepsAlive - whether the process stays alive for it, where the runtime lets that be chosen.
 */
export function startTimer(callback: () => void, milliseconds: number, keepsAlive: boolean = true): Timer {
  let handle: ReturnType<typeof setTimeout>;
  let alive = keepsAlive;
  const refer = (): void => {
    const { ref, unref } = handle as { ref?: () => unknown; unref?: () => unknown };
    (alive ? ref : unref)?.call(handle);
  };
  const arm = (left: number): void => {
    const part = Math.min(left, longestTimer);
    handle = setTimeout(() => {
      if (left > part) arm(left - part);
      else callback();
    }, part);
    if (!alive) refer();
  };
  arm(milliseconds);
  return {
    stop: () => {
      clearTimeout(handle);
    },
    keepAlive: (value) => {
      alive = value;
      refer();
    },
  };
}

const customTimers = {
  setTimeout: startTimer,
  clearTimeout: (timer: { stop(): void }) => {
    timer.stop();
  },
};

/**
 * Puts a deadline and a signal on a promise that its owner can end early.
 *
 * @param cancel - takes what waits out of its queue and rejects `promise` with the reason it is given.
 * @param what - what was not done in time, as a sentence that "within 50 ms" can follow.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  { timeout = Infinity, signal }: CheckedWait,
  hub: AbortHub,
  cancel: (reason: unknown) => void,
  what: string,
): Promise<T> {
  let result = promise;
  if (timeout === 0) {
    nextTurn(() => {
      cancel(new TimeoutError(what, 0));
    });
  } else if (timeout !== Infinity) {
    const options = {
      milliseconds: timeout,
      customTimers: customTimers as never,
      fallback: () => {
        cancel(new TimeoutError(what, timeout));
        return promise;
      },
    };
    result = pTimeout(promise, withOptions(options));
  }
  if (signal) {
    const unwatch = hub.watch(signal, cancel);
    const release = (): void => {
      unwatch();
    };
    promise.then(release, release);
  }
  return result;
}

// The rule for promises that the program forgets. An error of the connection is quiet: `closed` tells it. An error of the
// program (a wrong argument, a constructor that throws, a call at the wrong time) is loud: an unhandled rejection.

/** A promise that rejects with errors of the connection and abort reasons only: quiet when the program forgets it. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** A rejected promise for an error of the connection or the reason of a signal: quiet when the program forgets it. */
export function rejectHandled(reason: unknown): Promise<never> {
  return markHandled(Promise.reject(reason as Error));
}

/** A rejected promise for an error of the program, whatever its class: a payload constructor can throw anything. */
export function rejectUnhandled(error: unknown): Promise<never> {
  const reason = error as Error;
  return Promise.reject(reason);
}

/** A rejected promise, loud or quiet by the class of its error. */
export function rejected(error: unknown): Promise<never> {
  return isProgramError(error) ? rejectUnhandled(error) : rejectHandled(error);
}

/** A promise that may reject with errors of both kinds: loud or quiet by the class of its error. */
export function markHandledByClass<T>(promise: Promise<T>, signal?: AbortSignalLike): Promise<T> {
  const result: Promise<T> = promise.then(undefined, (error: unknown) => {
    const aborted = signal?.aborted === true && signal.reason === error;
    if (aborted || !isProgramError(error)) void markHandled(result);
    throw error;
  });
  return result;
}

function isProgramError(error: unknown): boolean {
  return !K4netError.is(error) || error.code === 'K4NET_STATE';
}

/** Whether a value is a promise, perhaps of another library. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
