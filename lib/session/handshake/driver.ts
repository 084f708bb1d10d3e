import { type Bytes, concatBytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { Deferred } from '../../util/wait.js';
import type { Handshake, HandshakeStep } from './machine.js';
import type { Session } from '../session.js';
import { UnitReader } from './unit-reader.js';

/** Received bytes that may wait to be looked at: two units of the greatest length. */
const mostAhead = 2 * 4100;

/** What a handshake goes over. */
export interface HandshakeCarrier {
  write(units: readonly Bytes[]): void;
  /** The next unit is wanted. */
  resume(): void;
}

/** Leads a handshake from its first unit to its session: received units to the machine, and what it answers out. */
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
   * Runs the handshake. Rejects with the error that ended it, when the peer has been told; undefined if it was stopped.
   *
   * @param begin - gets the keys and makes the machine.
   */
  async run(begin: () => Promise<Handshake>): Promise<Session | undefined> {
    const machine = await begin();
    if (this.#isStopped()) return undefined;
    this.#machine = machine;
    for (let step = await machine.start(); !this.#isStopped(); step = await this.#nextStep(machine)) {
      // One buffer: the system is given two at once at a higher price than it takes to join them.
      this.#carrier.write(joined(machine.take()));
      if (step.state === 'done') return step.session;
      if (step.state === 'failed') throw step.error;
    }
    return undefined;
  }

  /** Received bytes; false when enough of them wait. */
  push(chunk: Bytes): boolean {
    this.#units.push(chunk);
    this.#offer();
    return this.#units.pending < mostAhead;
  }

  /** The end of the stream. */
  end(): void {
    this.#ended = true;
    this.#offer();
  }

  /** What was received behind the last unit. */
  rest(): Bytes[] {
    return this.#units.rest();
  }

  /** Nothing more is to be sent but what {@link tell} gives. */
  stop(): void {
    this.#stopped = true;
    this.#awaited?.resolve(undefined);
  }

  /** What tells the peer of an error from outside the handshake. */
  async tell(error: K4netError): Promise<readonly Bytes[]> {
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
