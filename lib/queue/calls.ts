import { BinaryReader } from '../binary/reader.js';
import type { Bytes } from '../bytes.js';
import { RemoteError, TimeoutError, type K4netError } from '../errors.js';
import { Fifo } from '../fifo.js';
import type { ClaimedSocket } from '../sockets/claim.js';
import { Deferred, quiet, rejected, type AbortHub, type AbortSignalLike } from '../waiting.js';
import type { Budget } from './budget.js';
import { Deadlines, type Timed } from './deadlines.js';
import { encodeCancel, encodeRequest } from './envelope.js';

/** Weight of the newest round trip in the mean. */
const newest = 1 / 8;
const highestId = 2 ** 32 - 1;

/** What calls need of a socket. */
export type CallCarrier = Pick<ClaimedSocket, 'congested' | 'send'>;

/** Calls of one name: what was sent, and those that wait until there is room. */
interface Line {
  readonly name: string;
  readonly window: Budget;
  readonly waiting: Fifo<Call>;
  /** How many of those were given up meanwhile. */
  idle: number;
}

interface Call extends Timed {
  readonly id: number;
  readonly line: Line;
  readonly timeout: number;
  readonly deferred: Deferred<BinaryReader>;
  readonly size: number;
  /** The request, until it was sent. */
  request: Bytes | undefined;
  sentAt: number;
  unwatch: (() => void) | undefined;
}

/**
 * Calls of the other end's callbacks, from here. What was sent and has no answer yet stays within the limits that the
 * other end has for its queues: it can always go on reading, and so can we. Each name has its own: a call that a callback
 * makes, before it answers, does not wait behind those that wait for that callback.
 */
export class Calls {
  readonly #socket: CallCarrier;
  readonly #newWindow: () => Budget;
  readonly #hub: AbortHub;
  readonly #calls = new Map<number, Call>();
  readonly #lines = new Map<string, Line>();
  readonly #deadlines: Deadlines<Call>;
  #idle: Deferred<void> | undefined;
  #nextId = 0;
  #roundTrip: number | undefined;
  /** Whether requests wait until the socket has room. */
  #blocked = false;
  #over: K4netError | undefined;

  constructor(socket: CallCarrier, newWindow: () => Budget, hub: AbortHub) {
    this.#socket = socket;
    this.#newWindow = newWindow;
    this.#hub = hub;
    this.#deadlines = new Deadlines((call) => {
      this.#giveUp(call, new TimeoutError(`an answer of '${call.line.name}'`, call.timeout));
    });
  }

  /** Calls without an answer, those in line included. */
  get pending(): number {
    return this.#calls.size;
  }

  /** Milliseconds from a request to its answer: a moving mean, undefined before the first. */
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  call(name: string, payload: Bytes, timeout: number, signal?: AbortSignalLike): Promise<BinaryReader> {
    if (this.#over) return rejected(this.#over);
    if (signal?.aborted) return rejected(signal.reason);
    if (timeout === 0) return rejected(new TimeoutError(`an answer of '${name}'`, 0));
    const id = this.#freeId();
    const request = encodeRequest(id, name, payload);
    const call: Call = {
      id,
      line: this.#lineOf(name),
      timeout,
      request,
      deferred: new Deferred(),
      size: request.length,
      deadline: timeout === Infinity ? Infinity : performance.now() + timeout,
      place: -1,
      sentAt: 0,
      unwatch: undefined,
    };
    this.#calls.set(id, call);
    if (timeout !== Infinity) this.#deadlines.add(call);
    if (signal) {
      call.unwatch = this.#hub.watch(signal, (reason) => {
        this.#giveUp(call, reason);
      });
    }
    call.line.waiting.push(call);
    this.#admit(call.line);
    return quiet(call.deferred.promise);
  }

  /** An answer has come. One that nobody waits for any more is nothing. */
  answer(id: number, payload: Bytes): void {
    const call = this.#answered(id);
    call?.deferred.resolve(new BinaryReader(payload));
  }

  /** A failure has come. */
  fail(id: number, code: string, text: string): void {
    const call = this.#answered(id);
    call?.deferred.reject(new RemoteError(call.line.name, code, text));
  }

  /** What has come is no answer. */
  spoil(id: number, error: K4netError): void {
    this.#answered(id)?.deferred.reject(error);
  }

  /** Resolves when no call waits. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    this.#idle ??= new Deferred();
    return this.#idle.promise;
  }

  /** No answer will come any more. */
  end(error: K4netError): void {
    this.#over ??= error;
    for (const { waiting } of this.#lines.values()) waiting.clear();
    for (const call of [...this.#calls.values()]) {
      this.#leave(call);
      call.deferred.reject(error);
    }
  }

  /** A number that no call has: after four thousand million they come round again. */
  #freeId(): number {
    do this.#nextId = this.#nextId === highestId ? 1 : this.#nextId + 1;
    while (this.#calls.has(this.#nextId));
    return this.#nextId;
  }

  #lineOf(name: string): Line {
    let line = this.#lines.get(name);
    if (!line) {
      line = { name, window: this.#newWindow(), waiting: new Fifo(), idle: 0 };
      this.#lines.set(name, line);
    }
    return line;
  }

  /** Sends what there is room for. */
  #admit(line: Line): void {
    const { name, window, waiting } = line;
    for (let call = waiting.peek(); call; call = waiting.peek()) {
      if (call.request && (this.#blocked || !window.fits(call.size))) return;
      waiting.shift();
      // One that was given up while it stood in line has nothing to send.
      if (!call.request) {
        line.idle -= 1;
        continue;
      }
      window.take(call.size);
      const { request } = call;
      call.request = undefined;
      call.sentAt = performance.now();
      const sent = this.#socket.send(request);
      if (this.#socket.congested) this.#waitForRoom(sent);
    }
    // Names may be made up as they are needed: what is not in use is not kept.
    if (window.messages === 0) this.#lines.delete(name);
  }

  /** What is sent to a peer that does not read cannot be taken back: it stays here, where it can be given up. */
  #waitForRoom(sent: Promise<void>): void {
    this.#blocked = true;
    const go = (): void => {
      this.#blocked = false;
      for (const line of [...this.#lines.values()]) this.#admit(line);
    };
    sent.then(go, go);
  }

  /** Forgets those in a line that were given up, once they are the most. */
  #tidy(line: Line): void {
    line.idle += 1;
    if (line.idle < 64 || line.idle * 2 < line.waiting.length) return;
    for (let left = line.waiting.length; left > 0; left -= 1) {
      const call = line.waiting.shift();
      if (call?.request) line.waiting.push(call);
    }
    line.idle = 0;
  }

  #answered(id: number): Call | undefined {
    const call = this.#calls.get(id);
    // An answer to what was not sent yet answers nothing.
    if (!call || call.request) return undefined;
    const trip = performance.now() - call.sentAt;
    this.#roundTrip =
      this.#roundTrip === undefined ? trip : this.#roundTrip + newest * (trip - this.#roundTrip);
    this.#leave(call);
    this.#admit(call.line);
    return call;
  }

  #giveUp(call: Call, reason: unknown): void {
    const sent = call.request === undefined;
    this.#leave(call);
    call.deferred.reject(reason);
    if (sent) void this.#socket.send(encodeCancel(call.id));
    else this.#tidy(call.line);
    this.#admit(call.line);
  }

  #leave(call: Call): void {
    this.#calls.delete(call.id);
    if (call.request === undefined) call.line.window.give(call.size);
    call.request = undefined;
    if (call.place >= 0) this.#deadlines.remove(call);
    call.unwatch?.();
    if (this.#calls.size > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}
