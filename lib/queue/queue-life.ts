/// <reference lib="esnext.disposable" preserve="true" />
import type { CloseInfo, CloseOptions, MessageSocket } from '../sockets/message-socket.js';
import type { Bytes } from '../util/bytes.js';
import type { QueueSocketStats } from './queue-stats.js';

/** Options of {@link QueueSocket.drain}. */
export interface DrainOptions {
  /** Milliseconds for the whole call, after which the connection is cut. Default 5000. */
  readonly timeout?: number | undefined;
}

/** The life cycle of a queue socket. */
export interface QueueLife extends Pick<MessageSocket, 'peer' | 'readyState'> {
  /**
   * Resolves when the socket is closed, with the reason: `K4NET_TIMEOUT` after the idle timeout or
   * when the peer was silent for the timeout of the heartbeat. Never rejects.
   */
  readonly closed: Promise<CloseInfo>;
  /** Counters of this socket, and the fill levels of its queues. */
  stats(): QueueSocketStats;
  /**
   * Starts to receive. Call it once, after the callbacks are registered: earlier messages wait.
   *
   * @throws K4netError `K4NET_STATE` the second time.
   */
  start(): void;
  /**
   * Sends the messages of all tasks, in the order of their registration. Rejects with the error of
   * the first constructor that throws, and like `send`.
   */
  performTasks(): Promise<void>;
  /**
   * Finishes all work and closes. From now on it drops messages and refuses requests. It waits for
   * callbacks that are queued or running and for calls in flight, sends everything, and closes.
   * Messages that wait for `recv` are dropped. After `timeout` (default 5000 ms) it cuts the
   * connection.
   *
   * With `dispatch: 'manual'` it runs the held callbacks; the signals of held requests are aborted.
   * Do not await it inside a callback: it waits for that callback, so it cuts the connection after
   * `timeout`. Never rejects because of the peer.
   */
  drain(options?: DrainOptions): Promise<void>;
  /**
   * Closes the socket: sends earlier messages and the closing message (or the result of `onClose`),
   * and ends like {@link LockedSocket.close}. The signals of running callbacks abort, waiting
   * callbacks are not called, messages for `recv` are dropped, and calls reject. Never rejects
   * because of the peer.
   */
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void>;
  /**
   * Ends the socket because this side has failed, like {@link LockedSocket.abort}: the calls,
   * `recv` and loops of the peer reject after they got the earlier messages. The signals of running
   * callbacks abort. Never rejects because of the peer.
   *
   * Rejects with a TypeError or RangeError for wrong arguments, and then changes nothing.
   *
   * @param cause - the failure, for this side only: it is not sent.
   * @param options - `timeout`: milliseconds for sending earlier messages. Default 5000; 0 drops
   * them.
   */
  abort(cause?: unknown, options?: CloseOptions): Promise<void>;
  /** Closes the socket, for `await using`. Never rejects. */
  [Symbol.asyncDispose](): Promise<void>;
}
