import { kindOf, type Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import type { MessageHead } from '../transport/framing/encoder.js';
import type { SendOptions } from './locked-socket-options.js';
import type { MessageSocket } from './message-socket.js';
import type { MessageSource } from './pending-receives.js';

/**
 * The inbox of an acquired socket. The owner can inspect a message in place before it takes the
 * message.
 */
export interface OwnedMessages extends MessageSource {
  /** The bytes that contain the next message, once `size` has found one. */
  readonly run: Bytes;
  /** The index of the next message in `run`, after its length prefix. */
  readonly start: number;
  /** Whether the inbox is full, so that nothing is read from the peer. */
  readonly full: boolean;
  /** @param skip - bytes at the beginning of the message to leave out. */
  cut(size: number, skip?: number): Bytes;
}

/** Sends and receives on an acquired socket. Only the public methods of the socket close it. */
export interface OwnedSocket {
  readonly messages: OwnedMessages;
  /** Bytes received from the peer, as the transport counts them. */
  readonly received: number;
  /** Whether a sender has to wait: the send queue is at its high-water mark. */
  readonly congested: boolean;
  /** Resolves when all messages that wait now are accepted. Rejects when the socket fails. */
  room(): Promise<void>;
  send(message: Bytes, options?: SendOptions): Promise<void>;
  /** Sends a message that consists of a head and a body. */
  sendHeaded(head: MessageHead, message: Bytes): Promise<void>;
  /**
   * Like `sendHeaded`, but the caller may reuse the bytes at once. For messages that the program
   * did not send itself: no failure becomes an unhandled rejection.
   */
  sendCopy(head: MessageHead, message: Bytes): Promise<void>;
  /**
   * Sends a message of a head and a body, whose bytes the caller may reuse at once. Sends nothing
   * and returns false if a sender has to wait or the socket closes.
   */
  offer(head: MessageHead, message: Bytes): boolean;
  /** Fails the connection. */
  fail(error: K4netError): void;
}

/**
 * Hands sending and receiving over to an owner: from then on the socket's own `send` and `recv`
 * reject. The callback runs when messages have arrived and when the peer's direction has ended.
 */
export const acquire: unique symbol = Symbol('acquire');

/** Fails the connection with an error. An encrypted peer gets an alert. */
export const fail: unique symbol = Symbol('fail');

/**
 * Sets the callback that runs when the peer has ended and every message was taken, or at once if
 * both are true already. `undefined` removes it.
 */
export const onEmptyEnd: unique symbol = Symbol('onEmptyEnd');

/**
 * A promise that resolves when the carrier of a socket is gone. The carrier of an encrypted socket
 * stays open after a failure until the peer has read the alert.
 */
export const whenGone: unique symbol = Symbol('whenGone');

/** @internal */
export interface Acquirable extends MessageSocket {
  [acquire](onChange: () => void): OwnedSocket;
}

/** Acquires a socket for a queue socket. Throws a TypeError for a socket of another kind. */
export function takeOver(socket: MessageSocket, onChange: () => void): OwnedSocket {
  if (isAcquirable(socket)) return socket[acquire](onChange);
  throw new TypeError(`a QueueSocket needs a LockedSocket or an EncryptedSocket, not ${kindOf(socket)}`);
}

function isAcquirable(socket: MessageSocket): socket is Acquirable {
  return typeof socket === 'object' && (socket as unknown) !== null && acquire in socket;
}
