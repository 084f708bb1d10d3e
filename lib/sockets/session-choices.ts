import { milliseconds } from '../options.js';
import type { Session, SessionOptions } from '../session/session.js';
import type { SessionPlan } from '../session/secure-transport.js';
import type { Peer, SessionChoices } from './encrypted-socket-options.js';

/** A plan for a session, and how to say who is at the other end of it. */
export interface PeerPlan extends SessionPlan {
  peerOf(session: Session): Peer;
}

/** The part of the options that goes to the handshake as it is. */
export function sessionOptions(choices: SessionChoices): SessionOptions {
  const { appProtocols, recordLimit, padding, cipher } = choices;
  return { appProtocols, recordLimit, padding, cipher };
}

/** The deadline of the handshake. */
export function handshakeTimeout(choices: SessionChoices): number {
  return milliseconds('handshakeTimeout', choices.handshakeTimeout, 10_000);
}
