import { type Bytes, concatBytes, readU32 } from '../../lib/util/bytes.js';
import { K4netError, toK4netError } from '../../lib/errors.js';
import type { Handshake, HandshakeStep } from '../../lib/session/handshake/machine.js';
import type { ReaderOptions, RecordEvent } from '../../lib/session/record/parser.js';
import type { RecordReader } from '../../lib/session/record/reader.js';
import type { Session } from '../../lib/session/session.js';
import { UnitReader } from '../../lib/session/handshake/driver.js';

/** One side of a session without a transport: a test carries its bytes. */
export class MemoryEnd {
  /** The units and records that it sent. */
  readonly sent: Bytes[] = [];
  readonly messages: Bytes[] = [];
  readonly stream: Bytes[] = [];
  session: Session | undefined;
  reader: RecordReader | undefined;
  error: K4netError | undefined;
  closed = false;
  confirmed = false;
  readonly #handshake: Handshake;
  readonly #units = new UnitReader();
  readonly #options: ReaderOptions;
  readonly #maxSize: number;
  #partial: Bytes = new Uint8Array(0);

  constructor(handshake: Handshake, options: ReaderOptions = {}, maxSize: number = 2 ** 24) {
    this.#handshake = handshake;
    this.#options = options;
    this.#maxSize = maxSize;
  }

  /** Whether the handshake is done, the confirm included. */
  get settled(): boolean {
    return this.session !== undefined && (!this.session.confirmPending || this.confirmed);
  }

  async start(): Promise<void> {
    await this.#step(await this.#handshake.start());
  }

  async feed(chunk: Bytes): Promise<void> {
    if (this.error || this.closed) return;
    if (this.reader) {
      await this.#records(this.reader, chunk);
      return;
    }
    this.#units.push(chunk);
    while (!this.over && !this.session) {
      const body = this.#units.next((length) => this.#handshake.checkLength(length));
      if (body === undefined) return;
      const pending = body instanceof Uint8Array ? this.#handshake.receive(body) : this.#handshake.fail(body);
      await this.#step(await pending);
    }
  }

  async eof(): Promise<void> {
    if (this.over) return;
    if (this.reader) await this.#guard(() => this.reader?.end());
    else await this.#step(await this.#handshake.end());
  }

  get over(): boolean {
    return this.error !== undefined || this.closed;
  }

  takeSent(): Bytes {
    return concatBytes(this.sent.splice(0));
  }

  async #step(step: HandshakeStep): Promise<void> {
    this.sent.push(...this.#handshake.take());
    if (step.state === 'failed') this.error = step.error;
    if (step.state !== 'done') return;
    this.session = step.session;
    this.reader = step.session.open(this.#options);
    for (const chunk of this.#units.rest()) await this.#records(this.reader, chunk);
  }

  #records(reader: RecordReader, chunk: Bytes): Promise<void> {
    return this.#guard(async () => {
      reader.add(chunk);
      for (let event = await reader.read(); event !== undefined; event = await reader.read()) {
        this.#event(event);
      }
    });
  }

  #event(event: RecordEvent): void {
    if (event === 'confirmed') this.confirmed = true;
    else if (event === 'closed') this.closed = true;
    else this.#data(event);
  }

  async #guard(task: () => void | Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.error = toK4netError(error, 'K4NET_INTERNAL', 'test');
      if (this.session) this.sent.push(...(await this.session.sealer.fail(this.error)));
    }
  }

  #data(chunk: Bytes): void {
    this.stream.push(chunk);
    let rest = concatBytes([this.#partial, chunk]);
    for (;;) {
      const length = rest.length < 4 ? 0 : readU32(rest, 0);
      if (length > this.#maxSize) throw new K4netError('K4NET_TOO_LARGE', 'test: the message is too long');
      if (rest.length < 4 + length) break;
      this.messages.push(rest.slice(4, 4 + length));
      rest = rest.subarray(4 + length);
    }
    this.#partial = rest;
  }
}

/** The kind of an error, as the protocol names it. */
export function kindOfError(error: K4netError | undefined): string {
  return error === undefined ? 'none' : error.code.slice('K4NET_'.length).toLowerCase().replaceAll('_', '-');
}

/** Whole units, without their lengths. */
export function splitUnits(bytes: Bytes): Bytes[] {
  const units: Bytes[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = readU32(bytes, offset);
    units.push(bytes.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return units;
}
