import { MalformedError, type K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import type { OwnedMessages, OwnedSocket } from '../sockets/acquire.js';
import { noHead } from '../transport/framing/encoder.js';
import { readU32, type Bytes } from '../util/bytes.js';
import { Deferred } from '../util/wait.js';
import { matches } from './callback-registry.js';
import { controlHead } from './control-head.js';
import type { Destinations } from './destinations.js';
import {
  controlType,
  decodeControl,
  encodeFailure,
  encodeRegistered,
  isControl,
  nameLength,
  nameText,
} from './envelope.js';
import type { ErrorHooks } from './error-hooks.js';
import { fairTurns } from './fair-turns.js';
import type { FlowWindow } from './flow-window.js';
import type { Registration } from './incoming-call.js';
import { MalformedMessages } from './malformed-messages.js';
import { openHead, readOpen, type OpenFields } from './stream-open.js';

/** The next message has to wait while this is full. */
type Blocker = Pick<FlowWindow, 'full'>;

/**
 * Takes messages from a socket and passes them, in order, to their destinations: callbacks, calls
 * that wait for an answer, and the receive queue.
 *
 * Backpressure: while the flow window of the next message is full, the router takes no message.
 * The socket then stops reading, and the peer has to wait. Messages are never dropped or reordered.
 */
export class Router {
  readonly #socket: OwnedSocket;
  readonly #messages: OwnedMessages;
  readonly #dispatcher: Destinations['dispatcher'];
  readonly #calls: Destinations['calls'];
  readonly #queue: Destinations['queue'];
  readonly #streams: Destinations['streams'];
  readonly #unmatched: 'error' | 'queue' | 'drop';
  readonly #hooks: ErrorHooks;
  readonly #malformed: MalformedMessages;
  readonly #onOver: (error: K4netError) => void;
  /** The callbacks of the last message and of the last request. */
  #lastMessage: Registration | undefined;
  #lastRequest: Registration | undefined;
  #pumping = false;
  /** Whether the router continues in a later turn. */
  #yielded = false;
  /** The full window for which the next message waits. */
  #full: Blocker | undefined;
  #over = false;
  #draining = false;
  #stopped = false;
  #arrived = 0;
  #caughtUp: Deferred<void> | undefined;

  /** @param onOver - called once, when all messages have been routed and no more can arrive. */
  constructor(
    socket: OwnedSocket,
    { dispatcher, calls, queue, streams }: Destinations,
    unmatched: 'error' | 'queue' | 'drop',
    hooks: ErrorHooks,
    onOver: (error: K4netError) => void,
  ) {
    this.#socket = socket;
    this.#messages = socket.messages;
    this.#dispatcher = dispatcher;
    this.#calls = calls;
    this.#queue = queue;
    this.#streams = streams;
    this.#unmatched = unmatched;
    this.#hooks = hooks;
    this.#malformed = new MalformedMessages(hooks, (error) => {
      socket.fail(error);
    });
    this.#onOver = onOver;
  }

  /** Messages that were routed, without keepalives. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Whether a message waits because its flow window is full. */
  get blocked(): boolean {
    return this.#full?.full === true;
  }

  /** Undefined if all messages so far were examined. Otherwise resolves after the next attempt. */
  get catchingUp(): Promise<void> | undefined {
    if (!this.#yielded) return undefined;
    this.#caughtUp ??= new Deferred();
    return this.#caughtUp.promise;
  }

  /** From now on only answers are accepted: messages are dropped and requests refused. */
  drain(): void {
    this.#draining = true;
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A flow window may have room again. */
  onRoom(): void {
    if (this.#full) this.pump();
  }

  /** A call waits for its answer, which may follow a message that has no room. */
  onCall(): void {
    if (!this.#full) return;
    nextTurn(() => {
      this.pump();
    });
  }

  /** Routes the messages that have arrived. */
  pump(): void {
    if (this.#pumping || this.#stopped || this.#yielded) return;
    if (fairTurns.exhausted) {
      this.#yield();
      return;
    }
    this.#pumping = true;
    do {
      this.#full = this.#pull();
      this.#dispatcher.start();
      // Prevents a deadlock: `recvRegistered` may wait for a callback whose answer follows the
      // message that has no room.
      if (this.#full && this.#calls.pending > 0) this.#dispatcher.manual.releaseMore();
    } while (this.#full && !this.#full.full);
    this.#pumping = false;
    if (!this.#over && this.#messages.over) {
      this.#over = true;
      this.#onOver(this.#messages.over);
    }
  }

  /**
   * Routes messages until none is left, the turn is over, or a flow window is full. Returns the
   * full window.
   */
  #pull(): Blocker | undefined {
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

  #route(size: number): Blocker | undefined {
    const { run, start } = this.#messages;
    // No name begins with a zero.
    if (run[start] === 0 && isControl(run, start, size)) {
      if (size >= controlHead && run[start + controlHead - 5] === controlType.answer) {
        const id = readU32(run, start + controlHead - 4);
        this.#arrived += 1;
        this.#calls.answer(id, this.#messages.cut(size, controlHead));
        return undefined;
      }
      return this.#control(run, start, size);
    }
    if (matches(this.#lastMessage, run, start, size)) return this.#message(this.#lastMessage, size);
    const length = nameLength(run, start, size);
    if (length < 0) return this.#receive(size);
    const registration = this.#dispatcher.registry.find(run, start, length);
    if (registration) {
      this.#lastMessage = registration;
      return this.#message(registration, size);
    }
    if (this.#unmatched === 'queue') return this.#receive(size);
    const name = nameText(run, start, length);
    // Cut first: a hook can close the socket, which drops the message.
    this.#cut(size, 0);
    this.#hooks.unmatched(name, this.#unmatched === 'error');
    return undefined;
  }

  #message(registration: Registration, size: number): Blocker | undefined {
    const window = this.#dispatcher.messages;
    if (window.full && !this.#draining) return window;
    const payload = this.#cut(size, registration.name.length + 1);
    if (!this.#draining) this.#dispatcher.message(registration, payload);
    return undefined;
  }

  /** Takes a message whose callback was removed while the message waited. */
  removed(name: string, payload: Bytes): void {
    if (this.#unmatched === 'queue') this.#queue.push(encodeRegistered(name, payload));
    else this.#hooks.unmatched(name, this.#unmatched === 'error');
  }

  #receive(size: number): Blocker | undefined {
    const { window } = this.#queue;
    if (window.full && !this.#draining) return window;
    const message = this.#cut(size, 0);
    if (!this.#draining) this.#queue.push(message);
    return undefined;
  }

  #cut(size: number, skip: number): Bytes {
    this.#arrived += 1;
    return this.#messages.cut(size, skip);
  }

  /** Takes a control message that is not an answer. */
  #control(run: Bytes, start: number, size: number): Blocker | undefined {
    const type = size < controlHead ? 0 : (run[start + controlHead - 5] ?? 0);
    if (type === controlType.request) {
      const id = readU32(run, start + controlHead - 4);
      const name = start + controlHead;
      if (matches(this.#lastRequest, run, name, size - controlHead))
        return this.#request(id, size, controlHead, this.#lastRequest.name.length, this.#lastRequest);
      const length = nameLength(run, name, size - controlHead);
      if (length >= 0) {
        this.#lastRequest = this.#dispatcher.registry.find(run, name, length);
        return this.#request(id, size, controlHead, length, this.#lastRequest);
      }
    } else if (type >= controlType.open && type <= controlType.bodyStop) {
      return this.#stream(type, run, start, size);
    }
    this.#otherControl(this.#messages.cut(size));
    return undefined;
  }

  /** Takes a message of a streaming call. */
  #stream(type: number, run: Bytes, start: number, size: number): Blocker | undefined {
    if (this.#streams.full) {
      this.#streams.load();
      return this.#streams;
    }
    const id = readU32(run, start + controlHead - 4);
    let why: string | undefined = 'an open has no name';
    if (type !== controlType.open) {
      why = this.#streams.receive(type, id, this.#cut(size, controlHead));
    } else {
      const name = start + openHead;
      const length = nameLength(run, name, size - openHead);
      const registration = this.#dispatcher.registry.find(run, name, length);
      if (length >= 0) return this.#request(id, size, openHead, length, registration, readOpen(run, start));
      this.#cut(size, 0);
    }
    if (why !== undefined) this.#malformed.report(why, run.subarray(start, start + size));
    return undefined;
  }

  /** @param head - the offset of the name. */
  #request(
    id: number,
    size: number,
    head: number,
    length: number,
    registration: Registration | undefined,
    opening?: OpenFields,
  ): Blocker | undefined {
    // If the total is below its limit, the window of every name is too.
    if (this.#dispatcher.windows.total.full && !this.#draining) {
      const full = this.#dispatcher.windows.fullFor(registration, this.#socket.congested);
      if (full) return full;
    }
    const { run, start } = this.#messages;
    const name = registration?.name ?? nameText(run, start + head, length);
    const payload = this.#cut(size, head + length + 1);
    if (this.#draining) this.#refuse(id, name);
    else if (!this.#dispatcher.request(id, name, registration, payload, opening))
      this.#malformed.report(
        'a request has the id of an unanswered request',
        run.subarray(start, start + size),
      );
    return undefined;
  }

  #refuse(id: number, name: string): void {
    this.#hooks.trace?.(`Refusing request ${id} of ${name}: this side is closing`);
    // Refusals must not fill the send queue if the peer does not read.
    if (this.#socket.congested) return;
    void this.#socket.sendCopy(noHead, encodeFailure(id, 'K4NET_CLOSED', 'this side is closing'));
  }

  #otherControl(message: Bytes): void {
    const control = decodeControl(message);
    if (control.type !== 'keepalive') this.#arrived += 1;
    switch (control.type) {
      case 'failure':
        this.#calls.fail(control.id, control.code, control.text, control.data);
        break;
      case 'cancel':
        this.#dispatcher.cancel(control.id);
        break;
      case 'keepalive':
        break;
      case 'malformed': {
        const { id, why } = control;
        if (id !== undefined) this.#calls.failMalformed(id, () => new MalformedError(why, message));
        this.#malformed.report(why, message);
      }
    }
  }
}
