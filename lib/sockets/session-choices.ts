import { milliseconds } from '../util/options.js';
import { defaultRecordLimit } from '../session/record/format.js';
import type { SessionOptions } from '../session/handshake/options.js';
import type { Session } from '../session/session.js';
import type { SessionPlan } from '../session/handshake/driver.js';
import type { Peer, SessionChoices } from './encrypted-socket-options.js';
import type { LockedSocketOptions } from './locked-socket-options.js';

/** A plan for a session, and how to say who is at the other end of it. */
export interface PeerPlan extends SessionPlan {
  peerOf(session: Session): Peer;
}

/** What a plan is made of: the size of the queue says how long records may be. */
export type PlanChoices = SessionChoices & Pick<LockedSocketOptions, 'recvSize'>;

/** Options that were checked: one that is undefined is one that was left out. */
export type Checked<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** A record costs a cipher of its own, which is a fifth of what opening 64 KiB takes. */
const largestDefault = 256 * 1024;

/** The part of the options that goes to the handshake. */
export function sessionOptions(choices: PlanChoices): SessionOptions {
  const { appProtocols, padding, cipher, recvSize = largestDefault } = choices;
  // What is wrong with a `recvSize` is said where it is checked.
  const queue = typeof recvSize === 'number' ? Math.floor(recvSize) : 0;
  const recordLimit = choices.recordLimit ?? Math.min(queue, largestDefault);
  // Nothing need be said of what every peer assumes, and less cannot be wished for by a small queue.
  const said = choices.recordLimit !== undefined || recordLimit > defaultRecordLimit;
  return { appProtocols, recordLimit: said ? recordLimit : undefined, padding, cipher };
}

/** The deadline of the handshake. */
export function handshakeTimeout(choices: SessionChoices): number {
  return milliseconds('handshakeTimeout', choices.handshakeTimeout, 10_000);
}

/** How a line of the debug log says who the peer is. */
export function describePeer({ how, fingerprint, authenticated }: Peer): string {
  const key = fingerprint === undefined ? 'no key' : `key ${fingerprint}`;
  return `${how}, ${key}, ${authenticated ? 'authenticated' : 'not authenticated'}`;
}
