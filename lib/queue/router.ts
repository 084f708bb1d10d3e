import type { Bytes } from '../bytes.js';
import { K4netError, MalformedError } from '../errors.js';
import { nextTurn } from '../runtime.js';
import type { ClaimedMessages } from '../sockets/claim.js';
import type { Budget } from './budget.js';
import type { Calls } from './calls.js';
import type { Dispatcher } from './dispatcher.js';
import {
  controlType,
  decodeControl,
  encodeFailure,
  encodeRegistered,
  isControl,
  nameLength,
  nameText,
  requestName,
} from './envelope.js';
import type { QueueErrorInfo } from './queue-socket-options.js';
import type { ReceiveQueue } from './receive-queue.js';

/** Where messages go, and who is told of what is not in order. */
export interface Routes {
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly queue: ReceiveQueue;
  readonly queueBudget: Budget;
  readonly unmatched: 'error' | 'queue' | 'drop';
  /** Sends a refusal, unless the peer does not take any. */
  refuse(message: Bytes): void;
  report(error: unknown, name: string, kind: QueueErrorInfo['kind']): void;
  /** No more will come, and everything that came has gone where it belongs. */
  over(error: K4netError): void;
}

/**
 * Takes the messages of a socket, in order, to where they belong: callbacks, calls that wait for an answer, the receive
 * queue. When the place of the next one is full it takes no more, so that the peer has to wait in the end; nothing is
 * dropped.
 */
export class Router {
  readonly #messages: ClaimedMessages;
  readonly #routes: Routes;
  #pumping = false;
  #full: Budget | undefined;
  #over = false;
  #draining = false;
  #stopped = false;
  #arrived = 0;

  constructor(messages: ClaimedMessages, routes: Routes) {
    this.#messages = messages;
    this.#routes = routes;
  }

  /** Messages that came in, keepalives not counted. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Whether a message waits because its place is full. */
  get stalled(): boolean {
    return this.#full?.full === true;
  }

  /** From here on nothing new is taken on: only answers are. */
  drain(): void {
    this.#draining = true;
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** There is room again: goes on if it had to stop. */
  onRoom(): void {
    if (this.#full) this.pump();
  }

  /** A call waits for its answer, which may be behind a message that has no room. */
  onCall(): void {
    if (!this.#full) return;
    nextTurn(() => {
      this.pump();
    });
  }

  /** Takes what is here. */
  pump(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    do {
      this.#full = this.#pull();
      const { calls, dispatcher } = this.#routes;
      dispatcher.kick();
      // The answer may be behind the full queue, and `recvRegistered` may wait for its caller.
      if (this.#full && calls.pending > 0) dispatcher.releaseMore();
    } while (this.#full && !this.#full.full);
    this.#pumping = false;
    if (!this.#over && this.#messages.over) {
      this.#over = true;
      this.#routes.over(this.#messages.over);
    }
  }

  /** Takes messages until there are no more, or one has no place: then it says where. */
  #pull(): Budget | undefined {
    for (let size = this.#messages.size(); size >= 0 && !this.#stopped; size = this.#messages.size()) {
      const full = this.#route(size);
      if (full) return full;
    }
    return undefined;
  }

  #route(size: number): Budget | undefined {
    const { run, start } = this.#messages;
    const { dispatcher, unmatched } = this.#routes;
    const again = dispatcher.findAgain(run, start, size);
    if (again) return this.#call(again, size, again.name.length);
    if (isControl(run, start, size)) return this.#control(size);
    const length = nameLength(run, start, size);
    if (length < 0) return this.#enqueue(size);
    const registration = dispatcher.find(run, start, length);
    if (registration) return this.#call(registration, size, length);
    if (unmatched === 'queue') return this.#enqueue(size);
    const name = nameText(run, start, length);
    // Before anybody hears of it: who does may close the socket, and then nothing is here any more.
    this.#cut(size);
    this.#unmatched(name);
    return undefined;
  }

  #call(
    registration: Parameters<Dispatcher['message']>[0],
    size: number,
    length: number,
  ): Budget | undefined {
    const { dispatcher } = this.#routes;
    if (dispatcher.messages.full && !this.#draining) return dispatcher.messages;
    const payload = this.#cut(size, length + 1);
    if (!this.#draining) dispatcher.message(registration, payload);
    return undefined;
  }

  /** A message whose callback was removed while it waited. */
  removed(name: string, payload: Bytes): void {
    if (this.#routes.unmatched === 'queue') this.#routes.queue.push(encodeRegistered(name, payload));
    else this.#unmatched(name);
  }

  #unmatched(name: string): void {
    if (this.#routes.unmatched !== 'error') return;
    const error = new K4netError('K4NET_NO_CALLBACK', `a message came for '${name}', which has no callback`);
    this.#routes.report(error, name, 'message');
  }

  #enqueue(size: number): Budget | undefined {
    const { queue, queueBudget } = this.#routes;
    if (queueBudget.full && !this.#draining) return queueBudget;
    const message = this.#cut(size);
    if (!this.#draining) queue.push(message);
    return undefined;
  }

  #cut(size: number, skip: number = 0): Bytes {
    this.#arrived += 1;
    return this.#messages.cut(size, skip);
  }

  /** The place that has no room for the request that is next, if it is one. */
  #fullFor(size: number): Budget | undefined {
    const { run, start } = this.#messages;
    // The total is over the limits before any part of it is.
    if (!this.#routes.dispatcher.requests.full || run[start + 3] !== controlType.request) return undefined;
    const length = nameLength(run, start + requestName, size - requestName);
    return length < 0 ? undefined : this.#routes.dispatcher.fullFor(run, start + requestName, length);
  }

  #control(size: number): Budget | undefined {
    const { dispatcher, calls } = this.#routes;
    const full = this.#draining ? undefined : this.#fullFor(size);
    if (full) return full;
    const message = this.#messages.cut(size);
    const control = decodeControl(message);
    if (control.type !== 'keepalive') this.#arrived += 1;
    switch (control.type) {
      case 'request': {
        const { id, nameStart, nameLength: length, payload } = control;
        const registration = dispatcher.find(message, nameStart, length);
        const name = registration?.name ?? nameText(message, nameStart, length);
        if (this.#draining) this.#routes.refuse(encodeFailure(id, 'K4NET_CLOSED', 'this side is closing'));
        else dispatcher.request(id, name, registration, payload);
        break;
      }
      case 'answer':
        calls.answer(control.id, control.payload);
        break;
      case 'failure':
        calls.fail(control.id, control.code, control.text);
        break;
      case 'cancel':
        dispatcher.cancel(control.id);
        break;
      case 'keepalive':
        break;
      case 'malformed': {
        const error = new MalformedError(control.why, message);
        if (control.id !== undefined) calls.spoil(control.id, error);
        this.#routes.report(error, '', 'control');
      }
    }
    return undefined;
  }
}
