import type { Bytes } from '../util/bytes.js';
import { K4netError } from '../errors.js';
import { noHead } from '../transport/framing/encoder.js';
import type { OwnedSocket } from '../sockets/acquire.js';
import { IncomingRequest } from './callback-context.js';
import { answerHead, encodeFailure } from './envelope.js';
import { describeFailure } from './failure.js';
import type { QueueSocketLike } from './types.js';

const givenUp = (): K4netError => new K4netError('K4NET_CLOSED', 'the caller has given up');

/** Where answers go. */
export type AnswerOutlet = Pick<OwnedSocket, 'congested' | 'sendCopy'>;

/** The peer's requests that have no answer yet. */
export class IncomingRequests {
  readonly #socket: QueueSocketLike;
  readonly #outlet: AnswerOutlet;
  readonly #requests = new Map<number, IncomingRequest>();
  /** Set once nobody waits for any answer. Requests that came before can still be read after that. */
  #gone: { readonly reason: K4netError; readonly keepHeld: boolean } | undefined;

  constructor(socket: QueueSocketLike, outlet: AnswerOutlet) {
    this.#socket = socket;
    this.#outlet = outlet;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** A new request; undefined if one with that number has no answer yet. */
  open(id: number, name: string): IncomingRequest | undefined {
    if (this.#requests.has(id)) return undefined;
    const request = new IncomingRequest(this.#socket, name, id);
    if (this.#gone) end(request, this.#gone.reason, this.#gone.keepHeld);
    else this.#requests.set(id, request);
    return request;
  }

  /** The peer does not wait for that answer any more; it gets a reply all the same, which says that this is done with. */
  cancel(id: number): IncomingRequest | undefined {
    const request = this.#requests.get(id);
    request?.drop(givenUp);
    return request;
  }

  /** Aborts the signals of requests whose callbacks only `recvRegistered` or `drain` can call: they are still called. */
  abortHeld(reason: K4netError): void {
    for (const request of this.#requests.values()) if (isHeld(request)) request.abort(() => reason);
  }

  /**
   * Nobody waits for any answer any more.
   *
   * @param keepHeld - whether `recvRegistered` may still call callbacks, with a signal that is aborted.
   */
  dropAll(reason: K4netError, keepHeld: boolean): void {
    this.#gone ??= { reason, keepHeld };
    for (const request of this.#requests.values()) end(request, reason, keepHeld && isHeld(request));
    this.#requests.clear();
  }

  /** Sends an answer. Its promise is there while the peer takes no answers: they must not fill the memory. */
  answer(request: IncomingRequest, payload: Bytes): Promise<void> | undefined {
    if (request.dropped) return this.fail(request, undefined);
    if (!this.#requests.delete(request.id)) return undefined;
    return this.#slowed(this.#outlet.sendCopy(answerHead(request.id), payload));
  }

  /** Says what a callback has thrown; of a request that nobody waits for, only that it is done with. */
  fail(request: IncomingRequest, error: unknown): Promise<void> | undefined {
    if (request.dropped) return this.#fail(request, 'K4NET_CANCELLED', '');
    const { code, message } = describeFailure(error);
    return this.#fail(request, code, message);
  }

  /** Says that there is no such callback. */
  refuse(request: IncomingRequest): Promise<void> | undefined {
    return this.#fail(request, 'K4NET_NO_CALLBACK', `there is no callback '${request.name}'`);
  }

  #fail(request: IncomingRequest, code: string, message: string): Promise<void> | undefined {
    if (!this.#requests.delete(request.id)) return undefined;
    return this.#slowed(this.#outlet.sendCopy(noHead, encodeFailure(request.id, code, message)));
  }

  #slowed(sent: Promise<void>): Promise<void> | undefined {
    // What has become of the answer the socket tells.
    return this.#outlet.congested ? sent.catch(() => undefined) : undefined;
  }
}

function end(request: IncomingRequest, reason: K4netError, keep: boolean): void {
  if (keep) request.abort(() => reason);
  else request.drop(() => reason);
}

function isHeld({ work }: IncomingRequest): boolean {
  return work !== undefined && !work.begun && !work.batch;
}
