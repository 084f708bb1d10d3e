import { closedError, toK4netError } from '../errors.js';
import { allowListeners } from '../platform/runtime.js';
import type { AnswerDecoder } from '../queue/call.js';
import { checkName } from '../queue/envelope.js';
import { callEncoded } from '../queue/encoded-queue.js';
import type { Bytes } from '../util/bytes.js';
import { withOptions } from '../util/options.js';
import { AbortHub, Deferred, markHandledByClass, withDeadline, type WaitOptions } from '../util/wait.js';
import { Gathering } from './gather.js';
import type { ServiceInstance } from './ping.js';
import type { Presence } from './presence.js';
import { brokenError } from './service-calls.js';
import { checkedCallAll, checkedSendAll, type InstanceAnswer, type InstanceSent } from './service-options.js';
import type { ServiceSession } from './service-session.js';
import type { ServiceSessions } from './service-sessions.js';

/** The calls and messages of a service to all of its instances. */
export class Broadcasts {
  readonly #sessions: ServiceSessions;
  readonly #presence: Presence;
  readonly #maxInstances: number;
  readonly #callTimeout: number;
  readonly #aborts = new AbortHub();

  constructor(sessions: ServiceSessions, presence: Presence, maxInstances: number, callTimeout: number) {
    this.#sessions = sessions;
    this.#presence = presence;
    this.#maxInstances = maxInstances;
    this.#callTimeout = callTimeout;
  }

  /** Calls every instance. */
  call(
    name: string,
    payload: Bytes,
    given: WaitOptions | undefined,
    decoder?: AnswerDecoder,
  ): AsyncIterableIterator<InstanceAnswer<unknown>, void> {
    const { timeout = this.#callTimeout, signal } = checkedCallAll(given);
    checkName(name);
    this.#checkOpen();
    const bytes = new Uint8Array(payload);
    const stop = stopper();
    const answers = new Gathering<InstanceAnswer<unknown>>(() => {
      stop.abort(closedError('this side reads no more answers'));
    });
    const deadline = performance.now() + timeout;
    const callOne = async (instance: string, session: ServiceSession): Promise<void> => {
      const rest = withOptions({
        timeout: Math.max(1, deadline - performance.now()),
        signal: stop.signal,
      });
      const answer = await session.queue[callEncoded](name, bytes, rest, decoder);
      answers.push({ instance, answer });
    };
    const onError = (instance: string, error: Error): void => {
      answers.push({ instance, error });
    };
    const cancel = (reason: unknown): void => {
      answers.fail(reason);
      stop.abort(reason);
    };
    const unwatch = signal && this.#aborts.watch(signal, cancel);
    if (signal?.aborted === true) cancel(signal.reason);
    const done = this.#forEach(name, { timeout, signal: stop.signal }, callOne, onError);
    void done
      .then(
        () => {
          answers.end();
        },
        (error: unknown) => {
          answers.fail(error);
        },
      )
      .then(unwatch);
    return answers.iterator();
  }

  /** Sends a message to every instance. */
  send(name: string, payload: Bytes, given: WaitOptions | undefined): Promise<InstanceSent[]> {
    const wait = checkedSendAll(given);
    checkName(name);
    this.#checkOpen();
    return markHandledByClass(this.#send(name, new Uint8Array(payload), wait), wait.signal);
  }

  async #send(name: string, payload: Bytes, wait: WaitOptions): Promise<InstanceSent[]> {
    const { timeout = Infinity, signal } = wait;
    const sent: InstanceSent[] = [];
    const stop = stopper();
    const sendOne = async (instance: string, session: ServiceSession): Promise<void> => {
      await session.queue.sendRegistered(name, payload, { signal: stop.signal });
      sent.push({ instance, error: undefined });
    };
    const onError = (instance: string, error: Error): void => {
      sent.push({ instance, error });
    };
    const cancel = (reason: unknown): void => {
      stop.abort(reason);
    };
    // A timeout is the error of the instances that have not taken the message.
    const all = this.#forEach(name, { timeout: Infinity, signal: stop.signal }, sendOne, onError);
    await withDeadline(all, { timeout, signal }, this.#aborts, cancel, `'${name}' could not be sent`);
    if (signal?.aborted === true) throw signal.reason;
    return sent;
  }

  /** Asks who is there. */
  instances(timeout: number): Promise<ServiceInstance[]> {
    this.#checkOpen();
    return this.#wait(this.#presence.ask(timeout), {});
  }

  /** Does something with a session of every instance that is there. Errors go to `onError`. */
  async #forEach(
    name: string,
    wait: WaitOptions,
    use: (instance: string, session: ServiceSession) => Promise<void>,
    onError: (instance: string, error: Error) => void,
  ): Promise<void> {
    const deadline = performance.now() + (wait.timeout ?? Infinity);
    const instances = await this.#instances(wait);
    const useOne = async (instance: string): Promise<void> => {
      let session: ServiceSession | undefined;
      try {
        const left = Math.max(1, deadline - performance.now());
        const found = await this.#wait(this.#sessions.with(instance), { timeout: left, signal: wait.signal });
        session = found;
        await found.track(() => use(instance, found));
      } catch (error) {
        if (this.#sessions.signal.aborted) onError(instance, this.#closed);
        else if (session?.failureOf(error)) onError(instance, brokenError(name, error));
        else onError(instance, toError(error));
      }
    };
    await Promise.all(instances.map(useOne));
  }

  /** The instances that are there: those with a session, whose key is known, first. */
  async #instances(wait: WaitOptions): Promise<string[]> {
    const recent = await this.#wait(this.#presence.recent(), wait);
    const ids = new Set([...this.#sessions.instances, ...recent.map(({ id }) => id)]);
    return [...ids].slice(0, this.#maxInstances);
  }

  /** Adds limits to a promise that others wait for too. */
  #wait<T>(promise: Promise<T>, wait: WaitOptions): Promise<T> {
    const own = new Deferred<T>();
    const cancel = (reason: unknown): void => {
      own.rejectHandled(reason);
    };
    const unwatch = this.#aborts.watch(this.#sessions.signal, cancel);
    promise.then(own.resolve, cancel).then(unwatch, unwatch);
    return withDeadline(own.promise, wait, this.#aborts, cancel, 'no instance was reached');
  }

  get #closed(): Error {
    return closedError('this side has closed the service');
  }

  #checkOpen(): void {
    if (this.#sessions.signal.aborted) throw this.#closed;
  }
}

/** A controller whose signal every instance may watch. */
function stopper(): AbortController {
  const stop = new AbortController();
  allowListeners(stop.signal);
  return stop;
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : toK4netError(thrown, 'K4NET_CONNECTION', 'the call ended');
}
