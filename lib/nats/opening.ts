import { K4netError } from '../errors.js';
import { markTransient } from '../net/retry.js';
import { Deferred, startTimer, type AbortSignalLike } from '../util/wait.js';
import { bareFrame, kinds, refusals, version, type Frame } from './frame.js';
import { NatsTransport } from './nats-transport.js';
import type { SessionEnd, SessionHub } from './session-end.js';
import { isEnd, randomToken } from './subjects.js';

/** Milliseconds after which an `open` without an answer fails. */
const openTime = 2_000;

/** An `open` that waits for the `accept` of an instance. */
export class Opening implements SessionEnd {
  readonly target: string;
  readonly #hub: SessionHub;
  readonly #token = randomToken();
  readonly #signal: AbortSignalLike;
  readonly #opened = new Deferred<NatsTransport>();
  readonly #onAbort = (): void => {
    this.#reject(this.#signal.reason);
  };
  readonly #granted: number;
  #due: number;

  /** @param target - the subject of a service or of an instance. */
  constructor(hub: SessionHub, target: string, signal: AbortSignalLike) {
    this.#hub = hub;
    this.target = target;
    this.#signal = signal;
    this.#due = hub.now() + openTime;
    hub.set(this.#token, this);
    this.#granted = hub.window;
    signal.addEventListener('abort', this.#onAbort);
    hub.schedule(this.#due);
    const positions = { at: 0, have: 0, limit: this.#granted };
    try {
      hub.publish(target, bareFrame(kinds.open, version, positions), hub.subjectOf(this.#token));
    } catch (cause) {
      this.fail('the client of NATS refused a message', cause);
    }
  }

  /** The session. Rejects with `K4NET_CONNECT`, `K4NET_BUSY` or the reason of the signal. */
  get opened(): Promise<NatsTransport> {
    return this.#opened.promise;
  }

  receive(frame: Frame, reply: string | undefined): void {
    const { kind, code, limit } = frame;
    if (kind === kinds.accept && isEnd(reply)) {
      if (code !== version) {
        this.#hub.reset(reply);
        this.#reject(unsupported(this.target));
        return;
      }
      this.#leave();
      const start = {
        token: this.#token,
        target: reply,
        granted: this.#granted,
        limit: Math.max(0, limit | 0),
      };
      this.#opened.resolve(new NatsTransport(this.#hub, start));
    } else if (kind === kinds.refuse) {
      this.#reject(code === refusals.unsupported ? unsupported(this.target) : busy(this.target));
    } else if (kind === kinds.reset) {
      this.#reject(notNow(this.target, 'the peer cut the connection'));
    }
  }

  violated(error: K4netError): void {
    this.#reject(error);
  }

  noResponders(): void {
    this.#reject(notNow(this.target, 'nobody listens there'));
  }

  probe(): void {
    // No peer yet.
  }

  tick(now: number): number {
    if (now >= this.#due) this.#reject(notNow(this.target, `nobody answered within ${openTime} ms`));
    return this.#due;
  }

  reconnected(): void {
    this.#reject(notNow(this.target, 'the connection to NATS broke'));
  }

  forgive(milliseconds: number): void {
    this.#due += milliseconds;
  }

  fail(why: string, cause?: unknown): void {
    this.#reject(new K4netError('K4NET_CONNECT', `no connection to ${this.target}: ${why}`, { cause }));
  }

  #reject(reason: unknown): void {
    this.#leave();
    this.#opened.reject(reason);
  }

  #leave(): void {
    this.#due = Infinity;
    this.#hub.remove(this.#token, this);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

/** Settles like a promise, but rejects with the reason of the signal if that aborts first. */
export async function unlessAborted(promise: Promise<void>, signal: AbortSignalLike): Promise<void> {
  const settled = new Deferred<void>();
  const onAbort = (): void => {
    settled.reject(signal.reason);
  };
  promise.then(settled.resolve, settled.reject);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    await settled.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  if (signal.aborted) throw signal.reason;
}

/** Gives a function a signal that aborts with an error after some time. */
export async function withinTime<T>(
  timeout: number,
  late: () => K4netError,
  use: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const timer = startTimer(() => {
    stop.abort(late());
  }, timeout);
  try {
    return await use(stop.signal);
  } finally {
    timer.stop();
  }
}

/** An error that another attempt may not meet. */
export function notNow(target: string, why: string, cause?: unknown): K4netError {
  const error = new K4netError('K4NET_CONNECT', `no connection to ${target}: ${why}`, { cause });
  markTransient(error);
  return error;
}

function busy(target: string): K4netError {
  const error = new K4netError('K4NET_BUSY', `an instance refused the connection to ${target}: it is busy`);
  markTransient(error);
  return error;
}

function unsupported(target: string): K4netError {
  const why = `an instance refused the connection to ${target}: it does not know version ${version}`;
  return new K4netError('K4NET_UNSUPPORTED', why);
}
