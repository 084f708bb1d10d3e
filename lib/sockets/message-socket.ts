import type { K4netError, K4netErrorCode } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import type { WaitOptions } from '../util/wait.js';
import type { Peer } from './peer.js';

/**
 * The state of a socket. A socket is `connecting` while an encrypted handshake has not succeeded.
 */
export type ReadyState = 'connecting' | 'open' | 'closing' | 'closed';

/** Why a socket is closed. */
export interface CloseInfo {
  /** `K4NET_CLOSED` for a clean end, otherwise the code of `error`. */
  readonly code: K4netErrorCode;
  /** The error that ended the connection. Absent after a clean end. */
  readonly error?: K4netError;
}

/** Options of {@link MessageSocket.close} and {@link MessageSocket.abort}. */
export interface CloseOptions {
  /**
   * Milliseconds before the connection is cut. `close` waits that long for the peer to end its
   * direction, and `abort` for the peer to take the earlier messages. Default 5000. 0 cuts at once.
   */
  readonly timeout?: number | undefined;
}

/** Counters of a socket since its creation. */
export interface SocketStats {
  /** Messages that `send` or `trySend` has accepted. */
  readonly messagesSent: number;
  /** Messages that `recv`, `tryRecv` or a loop has taken. */
  readonly messagesReceived: number;
  /** Bytes of accepted messages, including a length prefix of 4 bytes each. */
  readonly bytesSent: number;
  /** Bytes received, including length prefixes. */
  readonly bytesReceived: number;
}

/**
 * The part of a message socket that the program can still use when a QueueSocket has taken over
 * sending and receiving. LockedSocket and EncryptedSocket implement it.
 */
export interface MessageSocket {
  /** Resolves when the socket is closed, with the reason. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /**
   * The peer and how its key was accepted. Undefined for a plain socket, and before the handshake
   * of an encrypted one has succeeded.
   */
  readonly peer: Peer | undefined;
  /** The current state. */
  readonly readyState: ReadyState;
  /**
   * Bytes that were sent and that the operating system does not have yet, including the messages of
   * waiting senders.
   */
  readonly bufferedAmount: number;
  /** The peer as `address:port`, or an empty string if the transport has no address. */
  readonly remoteAddress: string;
  /** This end as `address:port`, or an empty string if the transport has no address. */
  readonly localAddress: string;
  /** Keeps the process alive while the socket is open (the default). */
  ref(): this;
  /** Lets the process exit while the socket is open. */
  unref(): this;
  /** Counters since the creation of the socket. */
  stats(): SocketStats;
  /** Resolves when the operating system has everything that was sent so far. */
  flush(options?: WaitOptions): Promise<void>;
  /** Sends the closing message, ends this direction, and waits until the peer has ended too. */
  close(closingMessage?: Bytes | string, options?: CloseOptions): Promise<void>;
  /** Ends the socket because this side has failed. The peer gets an error. */
  abort(cause?: unknown, options?: CloseOptions): Promise<void>;
}
