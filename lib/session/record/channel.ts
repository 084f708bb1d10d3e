import type { Bytes } from '../../util/bytes.js';
import { freeBuffer, minFreedBytes } from '../../platform/runtime.js';
import type { Transport } from '../../transport/transport.js';
import type { FlowGate } from './flow-gate.js';
import type { RecordHandler } from './reader.js';
import type { RecordOpener } from './opener.js';
import type { RecordSealer } from './sealer.js';

/** Received bytes beside one record that may wait to be opened, where that is not done at once. */
const openAhead = 256 * 1024;

/** What a channel tells. */
export interface ChannelOwner {
  /** A record was wrong, or the peer sent an alert. */
  failed(error: unknown): void;
  /** The server has accepted the client's key. */
  confirmed(): void;
  /** One of the two directions has come to its end. */
  ended(): void;
}

/** What a channel needs of a session. */
export interface ChannelSession {
  readonly sealer: RecordSealer;
  /** The longest record plaintext that this side accepts. */
  readonly receiveLimit: number;
  open(handler: RecordHandler): RecordOpener;
}

/** Both directions of a session over a transport: records in and out, at the pace of either side. */
export class RecordChannel implements RecordHandler {
  readonly #inner: Transport;
  readonly #session: ChannelSession;
  readonly #delivery: FlowGate;
  readonly #owner: ChannelOwner;
  readonly #opener: RecordOpener;
  /** Between `begin` and `stop`. */
  #flows = false;
  #gone = false;
  /** What is being opened and what is being sealed, where that is not done at once. */
  #opening: Promise<void> | undefined;
  #sealed: Promise<void> | undefined;
  #sealing = 0;
  /** A write was told to wait: here, by the transport below. */
  #full = false;
  #innerFull = false;
  #endWritten = false;
  #peerEnded = false;

  constructor(inner: Transport, session: ChannelSession, delivery: FlowGate, owner: ChannelOwner) {
    this.#inner = inner;
    this.#session = session;
    this.#delivery = delivery;
    this.#owner = owner;
    this.#opener = session.open(this);
  }

  /** Whether the peer has ended its direction. */
  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  /** Whether both sides have said their end. */
  get over(): boolean {
    return this.#peerEnded && this.#endWritten;
  }

  /** Whether the server has still to accept the client's key. */
  get awaitingConfirm(): boolean {
    return this.#opener.awaitingConfirm;
  }

  get wantsMore(): boolean {
    // A confirm may come in pieces, and nothing flows before it.
    const flowing = this.#delivery.flowing || this.awaitingConfirm;
    return flowing && this.#opener.pending < openAhead + this.#session.receiveLimit;
  }

  /** Received bytes; false when enough of them wait. */
  push(chunk: Bytes): boolean {
    this.#run(() => this.#opener.push(chunk));
    return this.wantsMore;
  }

  /** The end of the stream is an error, unless the peer has said before that it ends. */
  endOfStream(): void {
    this.#run(() => this.#opener.end());
  }

  /** Reading goes on, if there is room for what comes. */
  resume(): void {
    if (!this.#gone && this.wantsMore) this.#inner.resume();
  }

  /** The transport below is gone; calls back when all that came before has been opened. */
  close(then: () => void): void {
    this.#gone = true;
    if (this.#opening) void this.#opening.then(then);
    else then();
  }

  /** Nothing more is to be looked at, and nobody is to be told. */
  stop(): void {
    this.#flows = false;
    this.#opener.stop();
  }

  data(chunk: Bytes): void {
    this.#delivery.push(chunk);
  }

  confirmed(): void {
    this.#owner.confirmed();
  }

  closed(): void {
    this.#peerEnded = true;
    this.#delivery.end();
    this.#owner.ended();
  }

  /** The handshake has succeeded: sending begins. */
  begin(): void {
    this.#flows = true;
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    return this.#emit(this.#session.sealer.stream(parts), done);
  }

  rekey(): void {
    this.#emit(this.#session.sealer.rekey());
  }

  /** Ends this direction, in good order. */
  end(): void {
    this.#emit(this.#session.sealer.alert(), () => {
      this.#endWritten = true;
      this.#owner.ended();
    });
    const endInner = (): void => {
      if (!this.#gone) this.#inner.end();
    };
    if (this.#sealed) void this.#sealed.then(endInner);
    else endInner();
  }

  /** Somebody was told to wait before there was a channel. */
  needDrain(): void {
    this.#full = true;
  }

  /** The transport below has room again. */
  onDrain(): void {
    this.#innerFull = false;
    this.drain();
  }

  /** Says that there is room, if somebody waits for it and there is. */
  drain(): void {
    if (!this.#full || this.#innerFull || this.#sealing > 1 || !this.#flows) return;
    this.#full = false;
    this.#delivery.drain();
  }

  /** Lets the opener do something; what it cannot do at once it does in the order of the calls. */
  #run(task: () => void | Promise<void>): void {
    try {
      const opening = task();
      if (!opening) return;
      const done = opening
        .catch((error: unknown) => {
          this.#owner.failed(error);
        })
        .then(() => {
          if (this.#opening === done) this.#opening = undefined;
          this.resume();
        });
      this.#opening = done;
    } catch (error) {
      this.#owner.failed(error);
    }
  }

  /** One write may be on its way to be sealed while another is: more than that would make records small. */
  #emit(sealed: Bytes[] | Promise<Bytes[]>, done?: () => void): boolean {
    if (Array.isArray(sealed)) {
      this.#innerFull = !this.#writeInner(sealed, done);
      this.#full = this.#innerFull;
      return !this.#full;
    }
    this.#sealing += 1;
    this.#sealed = sealed.then(
      (records) => {
        this.#sealing -= 1;
        if (!this.#writeInner(records, done)) this.#innerFull = true;
        this.drain();
      },
      (error: unknown) => {
        this.#owner.failed(error);
      },
    );
    if (this.#sealing < 2 && !this.#innerFull) return true;
    this.#full = true;
    return false;
  }

  #writeInner(records: readonly Bytes[], done?: () => void): boolean {
    if (this.#gone || records.length === 0) return true;
    if (!records.some(isLarge)) return this.#inner.write(records, done);
    return this.#inner.write(records, () => {
      for (const record of records) if (isLarge(record)) freeBuffer(record.buffer);
      done?.();
    });
  }
}

/** Whether it has a buffer of its own, and one that is worth giving back. */
function isLarge({ buffer, length }: Bytes): boolean {
  return length >= minFreedBytes && length === buffer.byteLength;
}
