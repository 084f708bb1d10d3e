import type { K4netError } from '../../../lib/errors.js';
import type { SocketPlan } from './socket-plan.js';

/**
 * A plain TCP peer of a side that was cut can see an end in good order although messages are
 * missing.
 */
export const plainTcpCutCanLookLikeEnd = true;

/** A webcrypto client sees `K4NET_PEER_CLOSED` when its server closes right after the handshake. */
export const webcryptoCloseCanLookLikeFailure = true;

/** How often each was seen, for the long mode. */
export const seen = { cuts: 0, closes: 0 };

/** Whether a clean end without all messages, of a plain TCP peer that was cut, is allowed. */
export function isKnownCut(): boolean {
  seen.cuts += 1;
  return plainTcpCutCanLookLikeEnd;
}

/** Whether this failure without a cut is one of the known faults. */
export function isKnownClose({ security }: SocketPlan, error: K4netError): boolean {
  if (security !== 'webcrypto' || error.code !== 'K4NET_PEER_CLOSED') return false;
  seen.closes += 1;
  return webcryptoCloseCanLookLikeFailure;
}
