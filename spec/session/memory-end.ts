import { type Bytes, concatBytes, readU32 } from '../../lib/util/bytes.js';
import { K4netError, toK4netError } from '../../lib/errors.js';
import { type Handshake, type HandshakeStep, sealAlert } from '../../lib/session/handshake/machine.js';
import type { OpenerOptions } from '../../lib/session/record/reader.js';
import type { RecordOpener } from '../../lib/session/record/opener.js';
import type { Session } from '../../lib/session/session.js';
import { UnitReader } from '../../lib/session/handshake/unit-reader.js';

/** The smallest driver there is: one side of a session, whose bytes go where the test wants them. */
export class MemoryEnd {
  /** What it sent, a unit or record a piece as far as its machines make them so. */
  readonly sent: Bytes[] = [];
  readonly messages: Bytes[] = [];
  readonly stream: Bytes[] = [];
  session: Session | undefined;
  opener: RecordOpener | undefined;
  error: K4netError | undefined;
  closed = false;
  confirmed = false;
  readonly #handshake: Handshake;
  readonly #units = new UnitReader();
  readonly #options: OpenerOptions;
  readonly #maxSize: number;
  #partial: Bytes = new Uint8Array(0);

  constructor(handshake: Handshake, options: OpenerOptions = {}, maxSize: number = 2 ** 24) {
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
    if (this.opener) {
      await this.#records(chunk);
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
    if (this.opener) await this.#guard(() => this.opener?.end());
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
    this.opener = step.session.open(
      {
        data: (chunk) => {
          this.#data(chunk);
        },
        confirmed: () => {
          this.confirmed = true;
        },
        closed: () => {
          this.closed = true;
        },
      },
      this.#options,
    );
    for (const chunk of this.#units.rest()) await this.#records(chunk);
  }

  #records(chunk: Bytes): Promise<void> {
    return this.#guard(() => this.opener?.push(chunk));
  }

  async #guard(task: () => void | Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.error = toK4netError(error, 'K4NET_INTERNAL', 'test');
      if (this.session) this.sent.push(...(await sealAlert(this.session.sealer, this.error)));
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
