import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';

/**
 * Bytes that a transport delivers before the rest of the program has a turn. The system gives a socket up to 2 MiB in one
 * turn of the event loop, which takes more than 100 ms to work through where messages or records are small.
 */
export const maxBytesPerTurn: number = 256 * 1024;

/** Where a transport delivers what it reads. All calls come in later turns than the call that caused them. */
export interface Sink {
  /** Bytes from the peer, in order. The sink keeps the chunk. False: no more until `resume()`. */
  data(chunk: Bytes): boolean;
  /**
   * The same for a chunk of whose whole buffer nobody else has anything: a sink that has copied it may give it back.
   *
   * @internal
   */
  own?(chunk: Bytes): boolean;
  /** A `write()` had returned false; there is room again. */
  drain(): void;
  /** The peer's direction has ended; at most once, after its last byte. */
  end(): void;
  /** The transport is gone; exactly once, last. Without a cause both directions had ended in good order. */
  close(cause?: K4netError): void;
}

/**
 * A two-way stream of bytes, as the layers above see every carrier: TCP, pipes, memory, encrypted records.
 * No promise is made on the path of a message.
 */
export interface Transport {
  /** The peer as `address:port`, or an empty string where there is no such thing. */
  readonly remoteAddress: string;
  /** This end as `address:port`, or an empty string where there is no such thing. */
  readonly localAddress: string;
  /**
   * Whether it delivers only what a k4net/1 peer has encrypted. Its `abort` then sends an alert behind everything that was
   * written, where a reset can overtake data.
   */
  readonly encrypted?: boolean;
  /**
   * Bytes that came in from the peer so far, where that is not what `data()` was given: half a record is a sign of life
   * although nothing of it can be delivered.
   */
  readonly received?: number;
  /**
   * Starts delivery, in a later turn. Attaching again hands over to the new sink, which gets `surplus` (what the old
   * one was given and did not use) before anything else.
   */
  attach(sink: Sink, surplus?: Bytes): void;
  /**
   * Somebody wants to receive: a transport that does something before bytes can flow, such as a handshake, begins. One
   * that does not has no such method.
   */
  start?(): void;
  /** Reading goes on after `data()` had returned false. */
  resume(): void;
  /**
   * Writes the parts in order. They are lent until `done`: their memory may be written again then, so a carrier that
   * keeps or hands on what it was given writes a copy. `done` is called in a later turn, when the layer below has all of
   * them, and not at all if the transport closes before. False: no more, please, until `drain()`.
   */
  write(parts: readonly Bytes[], done?: () => void): boolean;
  /** Ends this direction after what was written; reading goes on. */
  end(): void;
  /** Ends everything now. What was not delivered yet is dropped, and the peer sees a reset where the carrier has one. */
  abort(cause?: K4netError): void;
  /** Lets the process live for this transport (the default). */
  ref(): void;
  /** Lets the process end in spite of this transport. */
  unref(): void;
}
