import type { Bytes } from '../util/bytes.js';
import { MalformedError, type K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import type { OwnedMessages } from '../sockets/acquire.js';
import { Deferred } from '../util/wait.js';
import type { FlowWindow } from './flow-window.js';
import type { Calls } from './calls.js';
import type { Dispatcher } from './dispatcher.js';
import {
  controlType,
  decodeControl,
  encodeRegistered,
  isControl,
  nameLength,
  nameText,
  requestName,
} from './envelope.js';
import { fairTurns } from './fair-turns.js';
import type { ReceiveQueue } from './receive-queue.js';

/** Malformed control messages after which the connection is given up: a sound peer sends none. */
const maxMalformed = 32;

/** Where messages go, and who is told of what is not in order. */
export interface Routes {
  readonly dispatcher: Dispatcher;
  readonly calls: Calls;
  readonly queue: ReceiveQueue;
  readonly queueBudget: FlowWindow;
  readonly unmatched: 'error' | 'queue' | 'drop';
  /** Says that this side takes no more requests, unless the peer does not read that. */
  refuse(id: number, name: string): void;
  reportMalformed(error: MalformedError): void;
  /** A message came for a name that has no callback. */
  onUnmatched(name: string): void;
  /** Breaks the connection. */
  fail(error: K4netError): void;
  /** No more will come, and everything that came has gone where it belongs. */
  over(error: K4netError): void;
}

/**
 * Takes the messages of a socket, in order, to where they belong: callbacks, calls that wait for an answer, the receive
 * queue. When the place of the next one is full it takes no more, so that the peer has to wait in the end; nothing is
 * dropped.
 */
export class Router {
  readonly #messages: OwnedMessages;
  readonly #routes: Routes;
  #pumping = false;
  /** Whether this goes on in a later turn. */
  #yielded = false;
  #full: FlowWindow | undefined;
  #over = false;
  #draining = false;
  #stopped = false;
  #arrived = 0;
  #malformed = 0;
  #caughtUp: Deferred<void> | undefined;

  constructor(messages: OwnedMessages, routes: Routes) {
    this.#messages = messages;
    this.#routes = routes;
  }

  /** Messages that came in, keepalives not counted. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Whether a message waits because its place is full. */
  get blocked(): boolean {
    return this.#full?.full === true;
  }

  /** Undefined when all that came so far was looked at; else it resolves after the next attempt. */
  get catchingUp(): Promise<void> | undefined {
    if (!this.#yielded) return undefined;
    this.#caughtUp ??= new Deferred();
    return this.#caughtUp.promise;
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
    if (this.#pumping || this.#stopped || this.#yielded) return;
    if (fairTurns.exhausted) {
      this.#yield();
      return;
    }
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

  /** Takes messages until there are no more, or this turn is over, or one has no place: then it says where. */
  #pull(): FlowWindow | undefined {
    for (let size = this.#messages.size(); size >= 0 && !this.#stopped; size = this.#messages.size()) {
      if (fairTurns.step()) {
        this.#yield();
        return undefined;
      }
      const full = this.#route(size);
      if (full) return full;
    }
    return undefined;
  }

  #yield(): void {
    this.#yielded = true;
    fairTurns.wait(() => {
      const caughtUp = this.#caughtUp;
      this.#caughtUp = undefined;
      this.#yielded = false;
      this.pump();
      caughtUp?.resolve();
    });
  }

  #route(size: number): FlowWindow | undefined {
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
  ): FlowWindow | undefined {
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
    this.#routes.onUnmatched(name);
  }

  #enqueue(size: number): FlowWindow | undefined {
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
  #fullFor(size: number): FlowWindow | undefined {
    const { run, start } = this.#messages;
    // The total is over the limits before any part of it is.
    if (!this.#routes.dispatcher.requests.full || run[start + 3] !== controlType.request) return undefined;
    const length = nameLength(run, start + requestName, size - requestName);
    return length < 0 ? undefined : this.#routes.dispatcher.fullFor(run, start + requestName, length);
  }

  #control(size: number): FlowWindow | undefined {
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
        if (this.#draining) this.#routes.refuse(id, name);
        else if (!dispatcher.request(id, name, registration, payload))
          this.#onMalformed('a request has the id of one without an answer', message);
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
        const { id, why } = control;
        if (id !== undefined) calls.spoil(id, () => new MalformedError(why, message));
        this.#onMalformed(why, message);
      }
    }
    return undefined;
  }

  /** Reports a message that breaks the protocol, and gives the connection up when there were too many. */
  #onMalformed(why: string, message: Bytes): void {
    this.#malformed += 1;
    // Messages that came before the connection broke are still looked at.
    if (this.#malformed > maxMalformed) return;
    this.#routes.reportMalformed(new MalformedError(why, message));
    if (this.#malformed < maxMalformed) return;
    this.#routes.fail(
      new MalformedError(`the peer sent ${maxMalformed} malformed control messages: ${why}`, message),
    );
  }
}
