import type { Bytes } from '../util/bytes.js';
import type { K4netError } from '../errors.js';
import type { MessageHead } from '../transport/framing/encoder.js';
import type { SendOptions } from './locked-socket-options.js';
import type { LockedSocket } from './locked-socket.js';
import type { MessageSource } from './pending-receives.js';

/** Messages as an owner takes them: looked at where they lie, and then cut out. */
export interface OwnedMessages extends MessageSource {
  /** The bytes among which the next message is, once `size` has found one. */
  readonly run: Bytes;
  /** Where it begins among them. */
  readonly start: number;
  /** Whether nothing is read from the peer, because enough is held here. */
  readonly full: boolean;
  /** @param skip - bytes at its beginning that are left out. */
  cut(size: number, skip?: number): Bytes;
}

/** What the owner of a claimed socket does with it. Its life goes on by the methods that everybody has. */
export interface OwnedSocket {
  readonly messages: OwnedMessages;
  /** Bytes that came from the peer so far, as the carrier saw them. */
  readonly received: number;
  /** Whether a sender would have to wait. */
  readonly congested: boolean;
  /** Resolves when the messages that wait now have room; rejects when the socket has failed. */
  room(): Promise<void>;
  send(message: Bytes, options?: SendOptions): Promise<void>;
  /** Sends a message that begins with a head. */
  sendHeaded(head: MessageHead, message: Bytes): Promise<void>;
  /**
   * As `sendHeaded`, and the bytes are the caller's again at once. For messages of the owner itself: any failure is quiet
   * when nobody waits for it.
   */
  sendCopy(head: MessageHead, message: Bytes): Promise<void>;
  /** Breaks the connection. */
  fail(error: K4netError): void;
}

/**
 * Gives a socket to an owner: sending and receiving by the socket's own methods is an error from then on. `onChange` is
 * called when messages have come, and at the end.
 */
export const acquire: unique symbol = Symbol('claim');

/** A socket of messages: {@link LockedSocket}, EncryptedSocket, and what else can be given to an owner. */
export type MessageSocket = Pick<
  LockedSocket,
  | 'closed'
  | 'readyState'
  | 'bufferedAmount'
  | 'remoteAddress'
  | 'localAddress'
  | 'ref'
  | 'unref'
  | 'stats'
  | 'flush'
  | 'close'
  | 'abort'
>;

/** @internal */
export interface Acquirable extends MessageSocket {
  [acquire](onChange: () => void): OwnedSocket;
}
