import type { K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import type { Frame } from './frame.js';
import type { HeartbeatTimes } from './liveness.js';

/** One end of a session, to which the hub gives what comes for its token. */
export interface SessionEnd {
  /** The subject that it publishes to. */
  readonly target: string;
  /** @param reply - the subject for answers, if the frame has one. */
  receive(frame: Frame, reply: string | undefined, now: number): void;
  /** The peer sent something that is no frame. */
  violated(error: K4netError): void;
  /** NATS says that nobody listens at the target. */
  noResponders(now: number): void;
  /** Another session has noticed that the process of the peer may be gone. */
  probe(now: number): void;
  /** Does what is due. Returns when it has something to do again. */
  tick(now: number): number;
  /** The connection to NATS is back. */
  reconnected(now: number): void;
  /** This process was stopped for some time. */
  forgive(milliseconds: number): void;
  /** NATS does not permit to publish to the target, or the connection to NATS has closed. */
  fail(why: string, cause?: unknown): void;
}

/** The announcements of both sides before a session begins. */
export interface SessionStart {
  readonly token: string;
  /** The end of the peer. */
  readonly target: string;
  /** The limits that this side and the peer have announced. */
  readonly granted: number;
  readonly limit: number;
  /** Called when the session uses its token no longer. */
  readonly onGone?: (() => void) | undefined;
}

/** The part of the hub that the ends of its sessions use. */
export interface SessionHub {
  /** Bytes that a peer may send before this side has taken them. */
  readonly window: number;
  /** Bytes of data in one frame. */
  readonly longestData: number;
  /** Whether there is no connection to NATS now. */
  readonly isAway: boolean;
  readonly heartbeat: HeartbeatTimes;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** The subject of a token. */
  subjectOf(token: string): string;
  /** @throws if the client of NATS refuses it. */
  publish(subject: string, frame: Uint8Array, reply?: string): void;
  /** Cuts the session of a stranger. */
  reset(subject: string): void;
  /** Calls `tick` of every end at that time. */
  schedule(due: number): void;
  /** Makes an end the receiver of a token. */
  set(token: string, end: SessionEnd): void;
  /** Nothing more comes for the token. */
  remove(token: string, end: SessionEnd): void;
  /** Answers for some time with a frame to a peer that asks for the token. */
  linger(token: string, target: string, frame: Bytes): void;
  /** Makes all sessions with the same process probe. */
  doubt(target: string): void;
}

/** A sink that throws ends its own session only. */
export function guard(end: SessionEnd, call: () => void): void {
  try {
    call();
  } catch (error) {
    end.fail('a part of the program threw', error);
  }
}
