import { type Bytes, concatBytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { Deferred } from '../../util/wait.js';
import { ByteQueue } from '../../util/byte-queue.js';
import type { Session } from '../session.js';
import type { Handshake, HandshakeStep } from './machine.js';

/** The calls of a secure transport to set up its session. */
export interface SessionPlan {
  /** Gets the keys and makes the state machine of the handshake. */
  begin(): Promise<Handshake>;
  /** Called when the handshake has succeeded: it may store a key. A rejection fails the session. */
  succeeded(session: Session): Promise<void>;
  /** Milliseconds for the handshake, from its start. */
  readonly timeout: number;
}

/** Largest number of received bytes that wait: two units of the greatest length. */
const maxPendingBytes = 2 * 4100;

/** The connection that carries a handshake. */
export interface HandshakeCarrier {
  write(units: readonly Bytes[]): void;
  /** Continues to receive: the next unit is needed. */
  resume(): void;
}

/**
 * Runs a handshake over a carrier: passes received units to the state machine, and sends its units.
 */
export class HandshakeDriver {
  readonly #carrier: HandshakeCarrier;
  readonly #units = new UnitReader();
  #machine: Handshake | undefined;
  #awaited: Deferred<Bytes | K4netError | undefined> | undefined;
  #ended = false;
  #stopped = false;

  constructor(carrier: HandshakeCarrier) {
    this.#carrier = carrier;
  }

  /**
   * Runs the handshake. Resolves with undefined if it was stopped. Rejects with the error that
   * ended it, after the alert is written.
   *
   * @param begin - gets the keys and makes the state machine.
   */
  async run(begin: () => Promise<Handshake>): Promise<Session | undefined> {
    const machine = await begin();
    if (this.#isStopped()) return undefined;
    this.#machine = machine;
    for (let step = await machine.start(); !this.#isStopped(); step = await this.#nextStep(machine)) {
      // Joined, because a write of two buffers costs more than the copy.
      this.#carrier.write(joined(machine.take()));
      if (step.state === 'done') return step.session;
      if (step.state === 'failed') throw step.error;
    }
    return undefined;
  }

  /** Takes received bytes. Returns false if no more should be read. */
  push(chunk: Bytes): boolean {
    this.#units.push(chunk);
    this.#offer();
    return this.#units.pending < maxPendingBytes;
  }

  /** The end of the stream. */
  end(): void {
    this.#ended = true;
    this.#offer();
  }

  /** Received bytes after the last unit. */
  rest(): Bytes[] {
    return this.#units.rest();
  }

  /** Stops sending. The caller sends the alert that {@link fail} returns. */
  stop(): void {
    this.#stopped = true;
    this.#awaited?.resolve(undefined);
  }

  /** All unsent units, then the alert for an error from outside the handshake. */
  async fail(error: K4netError): Promise<readonly Bytes[]> {
    await this.#machine?.fail(error);
    return this.#machine?.take() ?? [];
  }

  async #nextStep(machine: Handshake): Promise<HandshakeStep> {
    const unit = await this.#nextUnit(machine);
    if (unit === undefined) return machine.end();
    return unit instanceof Uint8Array ? machine.receive(unit) : machine.fail(unit);
  }

  /** The next unit, the error of its length, or undefined at the end of the stream. */
  #nextUnit(machine: Handshake): Promise<Bytes | K4netError | undefined> {
    const unit = this.#units.next((length) => machine.checkLength(length));
    if (unit !== undefined || this.#ended) return Promise.resolve(unit);
    this.#awaited = new Deferred();
    this.#carrier.resume();
    return this.#awaited.promise;
  }

  #offer(): void {
    const machine = this.#machine;
    const awaited = this.#awaited;
    if (!machine || !awaited) return;
    const unit = this.#units.next((length) => machine.checkLength(length));
    if (unit === undefined && !this.#ended) return;
    this.#awaited = undefined;
    awaited.resolve(unit);
  }

  #isStopped(): boolean {
    return this.#stopped;
  }
}

function joined(units: readonly Bytes[]): readonly Bytes[] {
  return units.length > 1 ? [concatBytes(units)] : units;
}

/**
 * Splits received bytes into the units of a handshake. The bytes after the last unit belong to the
 * record layer.
 */
export class UnitReader {
  readonly #queue = new ByteQueue();
  #length: number | undefined;

  get pending(): number {
    return this.#queue.size;
  }

  push(chunk: Bytes): void {
    this.#queue.push(chunk);
  }

  /**
   * The body of the next unit, the error of its length, or undefined if it is incomplete.
   *
   * @param check - called once for each unit, as soon as its length is known.
   */
  next(check: (length: number) => K4netError | undefined): Bytes | K4netError | undefined {
    if (this.#length === undefined) {
      const length = this.#queue.peekLength();
      const refused = length === undefined ? undefined : check(length);
      if (refused) return refused;
      this.#length = length;
    }
    const length = this.#length;
    if (length === undefined || this.#queue.size < 4 + length) {
      this.#queue.settle();
      return undefined;
    }
    this.#length = undefined;
    // A copy, because the body is kept and the buffer of its chunk may be much larger.
    return concatBytes(this.#queue.take(4 + length)).subarray(4);
  }

  /** The bytes after the last unit. */
  rest(): Bytes[] {
    return this.#queue.drain();
  }
}
