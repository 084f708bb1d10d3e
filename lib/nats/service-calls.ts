import { closedError, K4netError, TimeoutError, wrapError } from '../errors.js';
import { isTransient, pause, retryDelay } from '../net/retry.js';
import type { Payload as Codec } from '../codec/payload.js';
import type { AnswerDecoder, StreamCodecs } from '../queue/call.js';
import type { AnswerStream, CallOptions, StreamOptions } from '../queue/call-types.js';
import { checkName } from '../queue/envelope.js';
import { closeItems, isCollection } from '../queue/items.js';
import { laterStream } from '../queue/later-stream.js';
import { checkedStream } from '../queue/queue-socket-options.js';
import { callEncoded, openStream, type EncodedCalls } from '../queue/encoded-queue.js';
import type { Bytes } from '../util/bytes.js';
import { withOptions, type Checked } from '../util/options.js';
import { AbortHub, markHandled, markHandledByClass, rejected, withDeadline } from '../util/wait.js';
import { checkedServiceCall, type ServiceCallOptions } from './service-options.js';
import { ServiceSession } from './service-session.js';
import type { ServiceSessions } from './service-sessions.js';

/** The delays before a call is made again. */
const repeatPlan = { retries: Infinity, minDelay: 50, maxDelay: 2_000 };
/** A timer may be that much early, in milliseconds. */
const early = 2;

type CheckedCall = Checked<ServiceCallOptions, 'timeout' | 'signal' | 'body'>;

/** The calls of a service that any instance answers. */
export class ServiceCalls implements EncodedCalls {
  readonly #sessions: ServiceSessions;
  readonly #callTimeout: number;
  readonly #aborts = new AbortHub();

  constructor(sessions: ServiceSessions, callTimeout: number) {
    this.#sessions = sessions;
    this.#callTimeout = callTimeout;
  }

  /** @internal */
  [callEncoded](
    name: string,
    payload: Bytes,
    given: ServiceCallOptions | undefined,
    decoder?: AnswerDecoder,
    bodyCodec?: Codec,
  ): Promise<unknown> {
    try {
      const options = checkedServiceCall(given);
      const { body, repeatable, signal } = options;
      checkName(name);
      if (repeatable && body !== undefined && !isCollection(body)) {
        throw new TypeError('a repeatable call needs a body that can be read again, such as an array');
      }
      // The caller may reuse the payload, and the call may be made later.
      const bytes = new Uint8Array(payload);
      let sent = false;
      const called = this.#call(name, options, (session, rest) => {
        sent = true;
        return session.queue[callEncoded](name, bytes, rest, decoder, bodyCodec);
      });
      if (body !== undefined) {
        called.catch(() => {
          if (!sent) closeItems(body);
        });
      }
      return markHandledByClass(called, signal);
    } catch (error) {
      return rejected(error);
    }
  }

  /** @internal */
  [openStream](
    name: string,
    payload: Bytes,
    given: StreamOptions | undefined,
    codecs: StreamCodecs,
  ): AnswerStream<unknown, unknown> {
    const options = checkedStream(given);
    const { timeout, signal, body } = options;
    checkName(name);
    this.#checkOpen();
    const begin = performance.now();
    const start = (session: ServiceSession): AnswerStream<unknown, unknown> => {
      // 0 would allow only what is possible at once.
      const left = Math.max(1, timeout - (performance.now() - begin));
      const rest = timeout === 0 ? options : withOptions(options, { timeout: left });
      const failed = (error: unknown): never => {
        this.#checkOpen();
        throw session.failureOf(error) ? brokenError(name, error) : (error as Error);
      };
      return streamOver(session, failed, session.queue[openStream](name, payload, rest, codecs));
    };
    const found = this.#sessions.any({ timeout, signal });
    if (found instanceof ServiceSession) return start(found);
    const kept = found.then(start, (error: unknown): never => {
      if (body !== undefined) closeItems(body);
      throw error;
    });
    return laterStream(markHandled(kept));
  }

  async #call(
    name: string,
    options: CheckedCall,
    send: (session: ServiceSession, options: CallOptions) => Promise<unknown>,
  ): Promise<unknown> {
    const { timeout = this.#callTimeout, signal, body, repeatable } = options;
    const deadline = performance.now() + timeout;
    let last: unknown;
    for (let attempt = 0; ; attempt += 1) {
      const left = attempt === 0 ? timeout : Math.max(0, deadline - performance.now());
      let session: ServiceSession | undefined;
      try {
        this.#checkOpen();
        if (attempt > 1) await this.#pause(attempt - 2, left, signal);
        const found = this.#sessions.any({ timeout: left, signal });
        session = found instanceof ServiceSession ? found : await found;
        const rest = attempt === 0 && session === found ? left : Math.max(1, deadline - performance.now());
        const used = session;
        return await used.track(() => send(used, withOptions({ timeout: rest, signal, body })));
      } catch (error) {
        if (signal?.aborted === true && signal.reason === error) throw error;
        const failure = session?.failureOf(error);
        this.#checkOpen();
        const isTimeout = K4netError.is(error, 'K4NET_TIMEOUT');
        if (isTimeout && performance.now() >= deadline - early) {
          throw new TimeoutError(`'${name}' was not answered`, timeout, { cause: last });
        }
        const repeats = session ? failure !== undefined : isTimeout || isTransient(error);
        // An instance that refuses has not run the callback.
        const again = repeatable ? repeats : failure === 'refused' && body === undefined;
        if (failure) session?.retire();
        if (!again) throw failure ? brokenError(name, error) : error;
        last = error;
      }
    }
  }

  async #pause(nth: number, timeout: number, signal: CheckedCall['signal']): Promise<void> {
    const stop = new AbortController();
    const cancel = (reason: unknown): void => {
      stop.abort(reason);
    };
    const unwatch = this.#aborts.watch(this.#sessions.signal, cancel);
    try {
      const pausing = pause(retryDelay(repeatPlan, nth), stop.signal);
      await withDeadline(pausing, { timeout, signal }, this.#aborts, cancel, 'no session answered');
    } finally {
      unwatch();
    }
  }

  #checkOpen(): void {
    if (this.#sessions.signal.aborted) throw closedError('this side has closed the service');
  }
}

/** The error of a call whose session broke. Its callback may have run. */
export function brokenError(name: string, cause: unknown): K4netError {
  return wrapError(cause, 'K4NET_CONNECTION', `the session of '${name}' broke`);
}

/**
 * A stream that counts as a call of its session.
 *
 * @param failed - throws the error in place of the one that it gets.
 */
function streamOver(
  session: ServiceSession,
  failed: (error: unknown) => never,
  stream: AnswerStream<unknown, unknown>,
): AnswerStream<unknown, unknown> {
  const answer = session.track(() => stream.answer);
  return {
    answer: markHandled(answer.catch(failed)),
    next: () => markHandled(stream.next().catch(failed)),
    return: () => stream.return(),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}
