import pTimeout from 'p-timeout';
import { kindOf } from './bytes.js';
import { K4netError, TimeoutError } from '../errors.js';
import { millisecondsRule, withOptions, type Checked, type OptionRule, type OptionTable } from './options.js';
import { allowListeners, nextTurn } from '../platform/runtime.js';

/** The part of an `AbortSignal` that the library uses; both the DOM and Node have it. */
export interface AbortSignalLike {
  /** Whether the signal has aborted. */
  readonly aborted: boolean;
  /** The value that the calls reject with after the abort. */
  readonly reason: unknown;
  /** Adds a listener for the abort. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Removes a listener. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * The type of the signals that the library passes to callbacks and handlers. It is `AbortSignal` if
 * the environment declares that type (as the DOM and Node do), so that `fetch` and others accept
 * it, and {@link AbortSignalLike} elsewhere. At run time it is always an `AbortSignal`.
 */
export type GivenAbortSignal = typeof globalThis extends { AbortSignal: { prototype: infer Signal } }
  ? Signal
  : AbortSignalLike;

/** Limits of a wait. */
export interface WaitOptions {
  /** Milliseconds for the whole call. Default Infinity. 0 allows only what is possible at once. */
  readonly timeout?: number | undefined;
  /** Ends the wait when it aborts; the call then rejects with the signal's `reason`. */
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * {@link WaitOptions} with both properties present, so that neither is read from
 * `Object.prototype`.
 */
export type CheckedWait = Checked<WaitOptions, 'signal'>;

/** An abort signal. */
export const signalRule: OptionRule<AbortSignalLike | undefined> = {
  fallback: undefined,
  check: (_name, signal: AbortSignalLike) => {
    checkSignal(signal);
    return signal;
  },
};

/** The options of a wait. */
export const waitTable: OptionTable<WaitOptions, 'signal'> = {
  timeout: millisecondsRule(),
  signal: signalRule,
};

/** A promise with its resolve and reject functions. */
export class Deferred<T> {
  // Declared only, because class fields cost one more call for each instance.
  declare readonly promise: Promise<T>;
  declare resolve: (value: T | PromiseLike<T>) => void;
  declare reject: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /**
   * Rejects with an error of the connection or an abort reason. If the program does not await the
   * promise, there is no unhandled rejection.
   */
  rejectHandled(reason: unknown): void {
    void markHandled(this.promise);
    this.reject(reason);
  }
}

/** @throws TypeError for a value that is not an `AbortSignal`. */
export function checkSignal(signal: AbortSignalLike | undefined): void {
  if (signal === undefined) return;
  if (
    typeof signal !== 'object' ||
    typeof (signal as Partial<AbortSignalLike>).addEventListener !== 'function'
  ) {
    throw new TypeError(`signal must be an AbortSignal, not ${kindOf(signal)}`);
  }
}

/**
 * Shares one listener for each signal among all waits of a socket; removes it after the last wait.
 */
export class AbortHub {
  /** Created on first use: most sockets never get a signal. */
  #watched:
    Map<AbortSignalLike, { listener: () => void; cancels: Set<(reason: unknown) => void> }> | undefined;

  /**
   * Calls `cancel` with the reason when the signal aborts. The returned function ends the watch.
   */
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

/** A signal that is made on first use: most callbacks and handlers never use theirs. */
export class LazySignal {
  #controller: AbortController | undefined;
  #reasonOf: (() => unknown) | undefined;

  /** The signal. It has no limit on the number of its listeners. */
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
   * Aborts the signal. Only the first call has an effect.
   *
   * @param reasonOf - makes the reason when the signal exists.
   */
  abort(reasonOf: () => unknown): void {
    if (this.#reasonOf) return;
    this.#reasonOf = reasonOf;
    this.#controller?.abort(reasonOf());
  }
}

/** The longest time of a platform timer in milliseconds; a longer one fires at once. */
const longestTimer = 2 ** 31 - 1;

/** A timer that was started. */
export interface Timer {
  stop(): void;
  /** Sets whether the timer keeps the process alive, if the platform has a choice. */
  keepAlive(alive: boolean): void;
}

/**
 * Starts a timer for any time. Splits a time that is too long for a platform timer into parts.
 *
 * @param keepsAlive - whether the timer keeps the process alive, if the platform has a choice.
 */
export function startTimer(callback: () => void, milliseconds: number, keepsAlive: boolean = true): Timer {
  // The timers of browsers are numbers.
  let handle: { ref?(): unknown; unref?(): unknown };
  let alive = keepsAlive;
  const arm = (left: number): void => {
    const part = Math.min(left, longestTimer);
    handle = setTimeout(() => {
      if (left > part) arm(left - part);
      else callback();
    }, part);
    if (!alive) handle.unref?.();
  };
  arm(milliseconds);
  return {
    stop: () => {
      clearTimeout(handle as ReturnType<typeof setTimeout>);
    },
    keepAlive: (value) => {
      alive = value;
      if (alive) handle.ref?.();
      else handle.unref?.();
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
 * Adds a deadline and a signal to a promise.
 *
 * @param cancel - removes the waiting call from its queue and rejects `promise` with the given
 * reason.
 * @param what - the sentence of the timeout error, which "within 50 ms (timeout)" follows.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  { timeout = Infinity, signal }: WaitOptions,
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

// The rule for promises that the program does not await. An error of the connection is marked as
// handled, because `closed` reports it. An error of the program (a wrong argument, a constructor
// that throws, a call in the wrong state) becomes an unhandled rejection.

/**
 * Marks a promise as handled. For promises that reject only with errors of the connection and abort
 * reasons.
 */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * A rejected promise, marked as handled, for an error of the connection or the reason of a signal.
 */
export function rejectHandled(reason: unknown): Promise<never> {
  return markHandled(Promise.reject(reason as Error));
}

/**
 * A rejected promise for an error of the program, which may be any value: a payload constructor can
 * throw anything.
 */
export function rejectUnhandled(error: unknown): Promise<never> {
  const reason = error as Error;
  return Promise.reject(reason);
}

/** A rejected promise, marked as handled unless it is an error of the program. */
export function rejected(error: unknown): Promise<never> {
  return isProgramError(error) ? rejectUnhandled(error) : rejectHandled(error);
}

/** Marks a promise as handled when it rejects with anything but an error of the program. */
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

/** Whether a value is a promise, possibly of another library. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
