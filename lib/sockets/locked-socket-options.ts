import { longestMessage } from '../transport/framing/encoder.js';
import {
  bytesRule,
  checkOptions,
  flagRule,
  millisecondsRule,
  pickOptions,
  type Checked,
  type OptionTable,
} from '../util/options.js';
import {
  signalRule,
  waitTable,
  type AbortSignalLike,
  type CheckedWait,
  type WaitOptions,
} from '../util/wait.js';
import type { CloseOptions } from './message-socket.js';

/** Options of {@link LockedSocket}. */
export interface LockedSocketOptions {
  /**
   * Bytes that the socket reads ahead of `recv` before it stops reading (flow control). Default
   * 262144 (256 KiB). An encrypted socket can hold one record more; `recordLimit` limits a record
   * and depends on `recvSize` by default.
   */
  readonly recvSize?: number | undefined;
  /** The longest accepted message, in bytes. Default 16777216 (16 MiB), at most 4294967295. */
  readonly maxSize?: number | undefined;
  /** Bytes in the send queue from which `send` waits (backpressure). Default 262144 (256 KiB). */
  readonly highWaterMark?: number | undefined;
  /**
   * Keeps the socket open when a loop over it reaches the peer's end (half-close). Default false.
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Options of {@link LockedSocket.recv}. */
export interface RecvOptions extends WaitOptions {
  /**
   * The longest message that this call takes, in bytes. A longer one rejects the call with a
   * {@link TooLargeError} and stays in the inbox for the next call.
   */
  readonly maxSize?: number | undefined;
}

/** Options of {@link LockedSocket.send}. */
export interface SendOptions {
  /**
   * Ends the wait when it aborts. A message that still waits for room is not sent. A message that
   * the send queue has accepted is sent whole.
   */
  readonly signal?: AbortSignalLike | undefined;
}

const KiB = 1024;
const unlimited = Number.MAX_SAFE_INTEGER;

/** The options of a locked socket. */
export const lockedSocketTable: OptionTable<LockedSocketOptions> = {
  recvSize: bytesRule(256 * KiB, 1, unlimited),
  maxSize: bytesRule(16 * KiB * KiB, 0, longestMessage),
  highWaterMark: bytesRule(256 * KiB, 1, unlimited),
  allowHalfOpen: flagRule(false),
};

/** The options of a `recv`. */
export const recvTable: OptionTable<RecvOptions, 'signal'> = {
  maxSize: bytesRule(Infinity, 0, Infinity),
  ...waitTable,
};

/** Every option of a locked socket, checked. */
export type CheckedOptions = Checked<LockedSocketOptions>;

/** Checks the options and fills in the defaults. */
export function checkedOptions(options: LockedSocketOptions | undefined): CheckedOptions {
  return checkOptions('LockedSocket', options, lockedSocketTable);
}

/**
 * Picks the options of a locked socket out of a larger set.
 *
 * @param options - as `ownOptions` or `checkOptions` returned them.
 */
export function lockedSocketOptions(options: LockedSocketOptions): LockedSocketOptions {
  return pickOptions(options, lockedSocketTable);
}

/** Milliseconds of a `close`, an `abort` or a `drain` before the connection is cut. */
export const defaultCloseTimeout = 5_000;

const closeTable: OptionTable<CloseOptions> = { timeout: millisecondsRule(defaultCloseTimeout) };

/** The timeout of a `close`, an `abort` or a `drain`, checked. */
export function checkedTimeout(where: string, options: CloseOptions | undefined): number {
  return checkOptions(where, options, closeTable).timeout;
}

/** The options of one `recv`, checked. */
export function checkedReceive(options: RecvOptions): Checked<RecvOptions, 'signal'> {
  return checkOptions('recv', options, recvTable);
}

const sendTable: OptionTable<SendOptions, 'signal'> = { signal: signalRule };

/** The signal of one `send`, checked. */
export function checkedSend(options: SendOptions): Checked<SendOptions, 'signal'> {
  return checkOptions('send', options, sendTable);
}

/** The timeout and the signal of a wait, checked. */
export function checkedWait(where: string, options: WaitOptions | undefined): CheckedWait {
  return checkOptions(where, options, waitTable);
}
