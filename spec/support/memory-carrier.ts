import { readU32, type Bytes } from '../../lib/util/bytes.js';
import { K4netError } from '../../lib/errors.js';
import { nextTurn } from '../../lib/platform/runtime.js';
import { kinds } from '../../lib/transport/credit.js';
import type { CarrierOwner, MessageCarrier } from '../../lib/transport/message-carrier.js';

/** One end of a carrier of whole messages in memory. Each message arrives in a later turn. */
export class MemoryCarrier implements MessageCarrier {
  readonly peer: MemoryCarrier;
  readonly losesOnClose = true;
  /** The bytes that the carrier reports as not sent. */
  waiting = 0;
  isOpen = true;
  /** Messages that were sent. */
  sent = 0;
  /** Bytes of data messages that were sent. */
  sentData = 0;
  /** Bytes that this end has granted. */
  granted = 0;
  /** Whether this end was closed, and how. */
  closed: 'clean' | 'cut' | 'terminated' | undefined;
  /** A peer that never closes: a network that is gone. */
  deaf = false;
  #owner: CarrierOwner | undefined;

  private constructor(peer?: MemoryCarrier) {
    this.peer = peer ?? new MemoryCarrier(this);
  }

  static pair(): [MemoryCarrier, MemoryCarrier] {
    const one = new MemoryCarrier();
    return [one, one.peer];
  }

  listen(owner: CarrierOwner): void {
    this.#owner = owner;
  }

  send(message: Bytes): void {
    this.sent += 1;
    if (message[0] === kinds.data) this.sentData += message.length - 1;
    if (message[0] === kinds.credit) this.granted += readU32(message, 1);
    // Copied now: a sender that used the buffer again would fail a test.
    const copy = message.slice();
    nextTurn(() => {
      if (this.peer.isOpen) this.peer.#owner?.message(copy, true);
    });
  }

  close(clean: boolean): void {
    this.closed ??= clean ? 'clean' : 'cut';
    if (!this.deaf && !this.peer.deaf) this.#disconnect();
  }

  terminate(): void {
    this.closed = 'terminated';
    this.#disconnect();
  }

  /** The connection becomes usable after it was not. */
  open(): void {
    this.isOpen = true;
    this.#owner?.opened();
  }

  ref(): void {
    // Memory keeps no process alive.
  }

  unref(): void {
    // Memory keeps no process alive.
  }

  #disconnect(): void {
    nextTurn(() => {
      for (const end of [this, this.peer]) {
        end.isOpen = false;
        end.#owner?.gone(new K4netError('K4NET_CONNECTION', 'the carrier closed'));
      }
    });
  }
}

/** The end of a peer that sends any messages: it records what it receives. */
export class RawEnd implements CarrierOwner {
  /** The messages that came, as hex. */
  readonly messages: string[] = [];
  isGone = false;
  /** Called with each message. */
  onMessage: (bytes: Bytes) => void = () => undefined;
  readonly #carrier: MessageCarrier;

  constructor(carrier: MessageCarrier) {
    this.#carrier = carrier;
    carrier.listen(this);
  }

  send(hex: string): void {
    this.#carrier.send(new Uint8Array(Buffer.from(hex, 'hex')));
  }

  close(): void {
    this.#carrier.close(true);
  }

  opened(): void {
    // Sends only when a test does.
  }

  message(bytes: Bytes): void {
    this.messages.push(Buffer.from(bytes).toString('hex'));
    this.onMessage(bytes);
  }

  violated(error: K4netError): void {
    throw error;
  }

  abort(cause: K4netError): void {
    throw cause;
  }

  gone(): void {
    this.isGone = true;
  }
}
