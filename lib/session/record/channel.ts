import type { Bytes } from '../../util/bytes.js';
import type { K4netError } from '../../errors.js';
import { freeBuffer, minFreedBytes } from '../../platform/runtime.js';
import type { Transport } from '../../transport/transport.js';
import { Deferred } from '../../util/wait.js';
import type { FlowGate } from './flow-gate.js';
import type { RecordEvent } from './parser.js';
import type { AsyncRecordReader, RecordReader } from './reader.js';
import type { RecordSealer } from './sealer.js';

/** Received bytes, in addition to one record, that may wait for an asynchronous cipher. */
const maxPendingBytes = 256 * 1024;

/** The events of a channel. */
export interface ChannelOwner {
  /** A record was wrong, or the peer sent an alert. */
  failed(error: unknown): void;
  /** One of the two directions has ended. */
  ended(): void;
}

/** The part of a session that a channel uses. */
export interface ChannelSession {
  readonly sealer: RecordSealer;
  /** The longest record plaintext that this side accepts, in bytes. */
  readonly receiveLimit: number;
  open(): RecordReader;
}

/**
 * Both directions of a session over a transport. Received bytes go to the record reader, and its
 * events go to the flow gate. Writes go to the sealer, and its records go to the transport.
 * Backpressure above this channel stops the transport below it, and the reverse.
 */
export class RecordChannel {
  readonly #inner: Transport;
  readonly #sealer: RecordSealer;
  readonly #reader: RecordReader;
  readonly #gate: FlowGate;
  readonly #owner: ChannelOwner;
  readonly #maxPending: number;
  /** Whether writes may pass: true between `begin` and `stop`. */
  #flows = false;
  #stopped = false;
  #gone = false;
  #streamEnded = false;
  /** Settles when an asynchronous cipher has opened all received records. */
  #reading: Promise<void> | undefined;
  /** Whether bytes or the end arrived during `#reading`. */
  #readAgain = false;
  /** The last write that an asynchronous cipher seals, and the number of such writes. */
  #sealed: Promise<void> | undefined;
  #sealing = 0;
  /** A write returned false, because of this channel or of the transport below. */
  #needDrain = false;
  #innerFull = false;
  #confirmed: Deferred<void> | undefined;
  #endWritten = false;
  #peerEnded = false;

  constructor(inner: Transport, session: ChannelSession, gate: FlowGate, owner: ChannelOwner) {
    this.#inner = inner;
    this.#sealer = session.sealer;
    this.#reader = session.open();
    this.#maxPending = maxPendingBytes + session.receiveLimit;
    this.#gate = gate;
    this.#owner = owner;
  }

  /** Whether the peer has ended its direction. */
  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  /** Whether both directions have ended cleanly. */
  get over(): boolean {
    return this.#peerEnded && this.#endWritten;
  }

  /** Whether the server still has to accept the client's key. */
  get awaitingConfirm(): boolean {
    return this.#reader.awaitingConfirm;
  }

  /**
   * Resolves when the server has accepted the client's key, or at once if no key is to be accepted.
   * Also resolves when the channel is stopped.
   */
  async confirmed(): Promise<void> {
    if (!this.awaitingConfirm || this.#stopped) return;
    this.#confirmed ??= new Deferred();
    await this.#confirmed.promise;
  }

  get #wantsMore(): boolean {
    // A confirm may arrive in several chunks, and the gate is closed until it is complete.
    const flowing = this.#gate.flowing || this.awaitingConfirm;
    // A synchronous reader leaves less than one record unread.
    return flowing && (this.#reader.sync || this.#reader.pending < this.#maxPending);
  }

  /** Received bytes. False if no more should be read until `resume`. */
  push(chunk: Bytes): boolean {
    this.#read(chunk);
    return this.#wantsMore;
  }

  /** The stream ended, which is an error unless the peer ended its direction before. */
  endOfStream(): void {
    this.#streamEnded = true;
    this.#read();
  }

  /** Continues to read from the transport, if there is room. */
  resume(): void {
    if (!this.#gone && this.#wantsMore) this.#inner.resume();
  }

  /** The transport has closed. Calls `then` when all records received before are opened. */
  close(then: () => void): void {
    this.#gone = true;
    if (this.#reading) void this.#reading.then(then);
    else then();
  }

  /** Stops reading and reporting. Only an alert may still be sealed. */
  stop(): void {
    this.#flows = false;
    this.#stopped = true;
    this.#reader.stop();
    this.#sealer.stop();
    this.#confirmed?.resolve();
  }

  /** The handshake has succeeded: writes may follow. */
  begin(): void {
    this.#flows = true;
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    return this.#send(this.#sealer.stream(parts), done);
  }

  rekey(): void {
    this.#send(this.#sealer.rekey());
  }

  /** Ends this direction cleanly. */
  end(): void {
    this.#send(this.#sealer.close(), () => {
      this.#endWritten = true;
      this.#owner.ended();
    });
    const endInner = (): void => {
      if (!this.#gone) this.#inner.end();
    };
    if (this.#sealed) void this.#sealed.then(endInner);
    else endInner();
  }

  /** The alert for an error, if the protocol has one. Nothing follows it. */
  fail(error: K4netError): Bytes[] | Promise<Bytes[]> {
    return this.#sealer.fail(error);
  }

  /** A write before this channel existed has returned false. */
  needDrain(): void {
    this.#needDrain = true;
  }

  /** The transport below has room again. */
  onDrain(): void {
    this.#innerFull = false;
    this.drain();
  }

  /** Reports `drain` if a write returned false and there is room now. */
  drain(): void {
    if (!this.#needDrain || this.#innerFull || this.#sealing > 1 || !this.#flows) return;
    this.#needDrain = false;
    this.#gate.drain();
  }

  /** Delivers all whole records. */
  #read(chunk?: Bytes): void {
    const reader = this.#reader;
    if (!reader.sync) {
      if (chunk) reader.add(chunk);
      this.#readAgain = true;
      this.#reading ??= this.#readAsync(reader);
      return;
    }
    try {
      for (let event = reader.read(chunk); event !== undefined; event = reader.read()) this.#deliver(event);
      if (this.#streamEnded) reader.end();
    } catch (error) {
      this.#owner.failed(error);
    }
  }

  async #readAsync(reader: AsyncRecordReader): Promise<void> {
    try {
      while (this.#readAgain) {
        this.#readAgain = false;
        for (let event = await reader.read(); event !== undefined; event = await reader.read()) {
          // The channel may have been stopped between the result of the reader and this microtask.
          if (this.#stopped) return;
          this.#deliver(event);
          this.resume();
        }
      }
      if (this.#streamEnded) reader.end();
    } catch (error) {
      this.#owner.failed(error);
    }
    this.#reading = undefined;
    this.resume();
  }

  #deliver(event: RecordEvent): void {
    if (typeof event === 'object') {
      this.#gate.push(event);
    } else if (event === 'confirmed') {
      this.#confirmed?.resolve();
    } else {
      this.#peerEnded = true;
      this.#gate.end();
      this.#owner.ended();
    }
  }

  /**
   * With an asynchronous cipher, at most two writes are sealed at a time: more would make small
   * records.
   */
  #send(sealed: Bytes[] | Promise<Bytes[]>, done?: () => void): boolean {
    if (Array.isArray(sealed)) {
      this.#innerFull = !this.#writeInner(sealed, done);
      this.#needDrain = this.#innerFull;
      // Create the next ciphers now, while the process may wait for the peer.
      this.#sealer.prepare();
      if (this.#reader.sync) this.#reader.prepare();
      return !this.#innerFull;
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
    this.#needDrain = true;
    return false;
  }

  #writeInner(records: readonly Bytes[], done?: () => void): boolean {
    if (this.#gone || records.length === 0) return true;
    let hasLarge = false;
    for (const record of records) hasLarge ||= record.length >= minFreedBytes && isLarge(record);
    if (!hasLarge) return this.#inner.write(records, done);
    return this.#inner.write(records, () => {
      for (const record of records) if (isLarge(record)) freeBuffer(record.buffer);
      done?.();
    });
  }
}

/** Whether the bytes have a buffer of their own that is large enough to be freed early. */
function isLarge({ buffer, length }: Bytes): boolean {
  return length >= minFreedBytes && length === buffer.byteLength;
}
