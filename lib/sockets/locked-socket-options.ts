import { longestMessage } from '../transport/framing/encoder.js';
import { flag, integer, milliseconds, ownOptions } from '../util/options.js';
import { checkSignal, type AbortSignalLike, type WaitOptions, type CheckedWait } from '../util/wait.js';

export type { CloseInfo, CloseOptions, ReadyState, SocketStats } from './message-socket.js';

/** Options of {@link LockedSocket}. */
export interface LockedSocketOptions {
  /**
   * Bytes that are read ahead of `recv` before reading stops. Default 262144 (256 KiB). An encrypted socket may hold one
   * record more, whose length follows this, unless `recordLimit` says another.
   */
  readonly recvSize?: number | undefined;
  /** The longest message that is accepted, in bytes. Default 16777216 (16 MiB), at most 4294967295. */
  readonly maxSize?: number | undefined;
  /** Bytes that may wait to be written before `send` waits too. Default 262144 (256 KiB). */
  readonly highWaterMark?: number | undefined;
  /** Keeps the socket open when a loop over it has reached the peer's end. Default false. */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Options of {@link LockedSocket.recv}. */
export interface RecvOptions extends WaitOptions {
  /**
   * The longest message that this call takes, in bytes. A longer one rejects the call with a {@link TooLargeError} and
   * stays for the next call.
   */
  readonly maxSize?: number | undefined;
}

/** Options of {@link LockedSocket.send}. */
export interface SendOptions {
  /**
   * Ends the wait when it aborts. A message that was still in line is not sent; one that was already accepted goes out
   * whole all the same.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** Names of {@link LockedSocketOptions}. */
export const lockedSocketNames: readonly string[] = ['recvSize', 'maxSize', 'highWaterMark', 'allowHalfOpen'];

/** Every option of a locked socket, checked. */
export interface CheckedOptions {
  readonly recvSize: number;
  readonly maxSize: number;
  readonly highWaterMark: number;
  readonly allowHalfOpen: boolean;
}

const KiB = 1024;
const unlimited = Number.MAX_SAFE_INTEGER;

/** Checks the options and fills in the defaults. */
export function checkedOptions(given: LockedSocketOptions | undefined): CheckedOptions {
  const options = ownOptions('LockedSocket', given, lockedSocketNames);
  return {
    recvSize: integer('recvSize', options.recvSize, 256 * KiB, 1, unlimited),
    maxSize: integer('maxSize', options.maxSize, 16 * KiB * KiB, 0, longestMessage),
    highWaterMark: integer('highWaterMark', options.highWaterMark, 256 * KiB, 1, unlimited),
    allowHalfOpen: flag('allowHalfOpen', options.allowHalfOpen, false),
  };
}

/**
 * The options of a locked socket out of a larger set.
 *
 * @param options - as `ownOptions` gave them.
 */
export function lockedSocketOptions(options: LockedSocketOptions): LockedSocketOptions {
  const { recvSize, maxSize, highWaterMark, allowHalfOpen } = options;
  return { recvSize, maxSize, highWaterMark, allowHalfOpen };
}

/**
 * The timeout and the signal of a wait, checked.
 *
 * @param options - as `ownOptions` gave them.
 */
export function checkedWait({ timeout, signal }: WaitOptions): CheckedWait {
  checkSignal(signal);
  return { timeout: milliseconds('timeout', timeout), signal };
}
