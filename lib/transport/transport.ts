import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';

/**
 * Bytes that a transport delivers before the rest of the program gets a turn of the event loop. The
 * system can give a socket 2 MiB in one turn, which takes more than 100 ms to process when messages
 * or records are small.
 */
export const maxBytesPerTurn: number = 256 * 1024;

/**
 * The receiving side of a transport. Each call comes in a later turn than the call that caused it.
 */
export interface Sink {
  /**
   * Bytes from the peer, in order. The sink keeps the chunk. False: no more until `resume()`
   * (backpressure).
   */
  data(chunk: Bytes): boolean;
  /**
   * Like `data`, for a chunk whose buffer nothing else uses: a sink that has copied every byte may
   * free the buffer.
   *
   * @internal
   */
  own?(chunk: Bytes): boolean;
  /** There is room again after a `write()` that returned false. */
  drain(): void;
  /** The peer's direction has ended (half-close); at most once, after its last byte. */
  end(): void;
  /**
   * The transport is closed; exactly once, last. Without a cause both directions have ended
   * cleanly.
   */
  close(cause?: K4netError): void;
}

/**
 * A two-way stream of bytes that carries a socket: TCP, pipes, memory, encrypted records. Implement
 * it to run sockets over another carrier. The path of a message has no promise in it.
 *
 * Nothing is delivered before `attach`. Backpressure works both ways: `data` returns false to pause
 * reading until `resume`, and `write` returns false when the writer should wait for `drain`.
 *
 * @example
 * ```ts
 * import { LockedSocket, memoryPair, type Transport } from 'k4net';
 *
 * // A transport that counts the bytes that it writes.
 * function counting(inner: Transport, count: (bytes: number) => void): Transport {
 *   return {
 *     remoteAddress: inner.remoteAddress,
 *     localAddress: inner.localAddress,
 *     attach: (sink, surplus) => inner.attach(sink, surplus),
 *     resume: () => inner.resume(),
 *     write: (parts, done) => {
 *       for (const part of parts) count(part.length);
 *       return inner.write(parts, done);
 *     },
 *     end: () => inner.end(),
 *     abort: (cause) => inner.abort(cause),
 *     ref: () => inner.ref(),
 *     unref: () => inner.unref(),
 *   };
 * }
 *
 * let written = 0;
 * const [left, right] = memoryPair();
 * const near = new LockedSocket(counting(left, (bytes) => (written += bytes)));
 * const far = new LockedSocket(right);
 * await near.send('hello');
 * console.log(await far.recvText(), written);
 * await Promise.all([near.close(), far.close()]);
 * ```
 */
export interface Transport {
  /** The peer as `address:port`, or an empty string if there is no address. */
  readonly remoteAddress: string;
  /** This end as `address:port`, or an empty string if there is no address. */
  readonly localAddress: string;
  /**
   * Whether it delivers only bytes that a k4net/1 peer has encrypted. Its `abort` then sends an
   * alert behind everything that was written, while a reset can overtake data.
   */
  readonly encrypted?: boolean;
  /**
   * Bytes received from the peer so far, if that differs from the bytes given to `data()`: half a
   * record is a sign of life although none of it can be delivered yet.
   */
  readonly received?: number;
  /**
   * Starts delivery, in a later turn. A second call hands over to the new sink, which first gets
   * `surplus`: bytes that the old sink received and did not use.
   */
  attach(sink: Sink, surplus?: Bytes): void;
  /**
   * A receive begins to wait. Only for a transport that must do something before bytes can flow,
   * such as a handshake.
   */
  start?(): void;
  /** Continues reading after `data()` returned false. */
  resume(): void;
  /**
   * Writes the parts in order. It borrows their memory until `done`: the caller may reuse it then,
   * so a transport that keeps or passes on the parts must copy them. `done` runs in a later turn,
   * when the layer below has all parts; it never runs if the transport closes before. False: the
   * caller should wait for `drain()` (backpressure).
   */
  write(parts: readonly Bytes[], done?: () => void): boolean;
  /** Ends this direction after everything written so far (half-close); reading continues. */
  end(): void;
  /** Ends everything now. Drops undelivered data; the peer sees a reset if the carrier has one. */
  abort(cause?: K4netError): void;
  /** Keeps the process alive while the transport is open (the default). */
  ref(): void;
  /** Lets the process exit while the transport is open. */
  unref(): void;
}
