import { BinaryReader } from '../binary/reader.js';
import type { Bytes } from '../util/bytes.js';
import { isPromiseLike } from '../util/wait.js';
import type { IncomingRequest, Work } from './callback-context.js';
import type { IncomingRequests } from './incoming-requests.js';
import type { CallbackQueue } from './callback-queue.js';
import { payloadBytes } from './payload.js';
import type { Payload } from './types.js';
import type { Registration, CallbackRegistry } from './callback-registry.js';
import { describeError } from './error-hooks.js';

/** Whom a performer tells what it does. */
export interface RunnerHost {
  report(error: unknown, name: string, kind: 'message' | 'request'): void;
  /** Says what is done, if somebody wants to know. */
  readonly log: ((line: string) => void) | undefined;
  /** Says what goes wrong with the peer, if somebody wants to know. */
  readonly trace: ((line: string) => void) | undefined;
  /** A message whose callback was removed while it waited. */
  unmatched(name: string, payload: Bytes): void;
}

/** Calls a callback, and sees to what comes of it: an answer, an error, or nothing. */
export class CallbackRunner {
  readonly #audience: RunnerHost;
  readonly #registry: CallbackRegistry<CallbackQueue<Work>>;
  readonly #incoming: IncomingRequests;
  #started = 0;
  #failed = 0;

  constructor(
    audience: RunnerHost,
    registry: CallbackRegistry<CallbackQueue<Work>>,
    incoming: IncomingRequests,
  ) {
    this.#audience = audience;
    this.#registry = registry;
    this.#incoming = incoming;
  }

  /** Callbacks that were called. */
  get started(): number {
    return this.#started;
  }

  /** Callbacks that threw or rejected. */
  get failed(): number {
    return this.#failed;
  }

  /** Never throws; the promise of what takes longer never rejects. */
  run(work: Work, payload: Bytes): PromiseLike<void> | undefined {
    const { request } = work;
    return request ? this.#answer(work, payload, request) : this.#call(work, payload);
  }

  #begin(work: Work): void {
    this.#started += 1;
    this.#audience.log?.(`Performing callback ${nameOf(work)}`);
  }

  #callbackOf(work: Work): Registration<CallbackQueue<Work>> | undefined {
    const { registration } = work;
    return registration?.callback ? registration : this.#registry.get(nameOf(work));
  }

  #call(work: Work, payload: Bytes): PromiseLike<void> | undefined {
    const registration = this.#callbackOf(work);
    if (!registration?.callback || !registration.context) {
      this.#audience.unmatched(nameOf(work), payload);
      return undefined;
    }
    this.#begin(work);
    try {
      const result = registration.callback(new BinaryReader(payload), registration.context);
      if (!isPromiseLike(result)) return undefined;
      return Promise.resolve(result).then(nothing, (error: unknown) => {
        this.#fail(error, work);
      });
    } catch (error) {
      this.#fail(error, work);
      return undefined;
    }
  }

  #answer(work: Work, payload: Bytes, request: IncomingRequest): PromiseLike<void> | undefined {
    if (request.dropped) return this.#incoming.fail(request, undefined);
    const callback = this.#callbackOf(work)?.callback;
    if (!callback) {
      this.#audience.trace?.(`Refusing request ${request.id}: there is no callback ${request.name}`);
      return this.#incoming.refuse(request);
    }
    this.#begin(work);
    const answer = (result: unknown): Promise<void> | undefined =>
      this.#incoming.answer(request, payloadBytes(result as Payload | undefined));
    const fail = (error: unknown): Promise<void> | undefined => {
      // A callback that gives up because its caller did does what it was asked to.
      if (!request.dropped) this.#fail(error, work);
      return this.#incoming.fail(request, error);
    };
    try {
      const result = callback(new BinaryReader(payload), request);
      return isPromiseLike(result) ? Promise.resolve(result).then(answer).catch(fail) : answer(result);
    } catch (error) {
      return fail(error);
    }
  }

  #fail(error: unknown, work: Work): void {
    this.#failed += 1;
    const name = nameOf(work);
    const what = work.request ? `request ${work.request.id}` : 'a message';
    this.#audience.trace?.(`Callback ${name} failed for ${what}: ${describeError(error).text}`);
    this.#audience.report(error, name, work.request ? 'request' : 'message');
  }
}

function nameOf({ registration, request }: Work): string {
  return registration?.name ?? request?.name ?? '';
}

function nothing(): void {
  // The outcome is told elsewhere.
}
