import { expect } from 'vitest';
import { K4netError, type K4netErrorCode } from '../../lib/errors.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { turns } from './recorder.js';

/** The state of a promise, without waiting for it. */
export interface Watched<T> {
  state: 'pending' | 'resolved' | 'rejected';
  value: T | undefined;
  reason: unknown;
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: 'pending', value: undefined, reason: undefined };
  promise.then(
    (value) => {
      watched.state = 'resolved';
      watched.value = value;
    },
    (reason: unknown) => {
      watched.state = 'rejected';
      watched.reason = reason;
    },
  );
  return watched;
}

/** Waits for a condition, which it checks in each turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns();
}

/** Expects that a promise rejects, and returns the reason. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it should have been rejected'),
    (reason: unknown) => reason,
  );
}

/** Expects a k4net error of that code, and returns it. */
export async function failure(promise: Promise<unknown>, code: K4netErrorCode): Promise<K4netError> {
  const reason = await reasonOf(promise);
  expect(reason).toBeInstanceOf(K4netError);
  expect((reason as K4netError).code).toBe(code);
  return reason as K4netError;
}

/** Expects an error of that class, and returns it. */
export async function failureOf<T extends K4netError>(
  promise: Promise<unknown>,
  type: new (...args: never[]) => T,
): Promise<T> {
  const reason = await reasonOf(promise);
  return reason instanceof type ? reason : expect.fail(`${String(reason)} is no ${type.name}`);
}

/** Waits until the socket has received that many bytes, without taking a message. */
export function arrived(sock: LockedSocket, bytes: number): Promise<void> {
  return until(() => sock.stats().bytesReceived >= bytes);
}

/**
 * Sends to a peer that does not read until at least `waiting` bytes are buffered and nothing moves
 * for many turns of the event loop, which serves both ends.
 */
export async function fill(
  sock: Pick<LockedSocket, 'send' | 'bufferedAmount'>,
  message: Uint8Array = new Uint8Array(32 * 1024),
  waiting: number = 256 * 1024,
): Promise<{ sent: number; last: Watched<void> }> {
  for (let sent = 1; ; sent += 1) {
    const last = watch(sock.send(message));
    let still = 0;
    let before = sock.bufferedAmount;
    while (last.state === 'pending' && still < settled) {
      await turns();
      still = sock.bufferedAmount === before ? still + 1 : 0;
      before = sock.bufferedAmount;
    }
    if (last.state === 'rejected' || sock.bufferedAmount >= waiting) return { sent, last };
  }
}

/** Turns without a change after which no work is pending. Sealing on another thread takes some. */
const settled = 3000;

/** All messages of a socket up to its end. */
export async function receiveAll(sock: LockedSocket): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for await (const message of sock) messages.push(message);
  return messages;
}

export const textOf = (message: Uint8Array | undefined): string => new TextDecoder().decode(message);
