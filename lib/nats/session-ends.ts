import type { SessionEnd } from './session-end.js';
import { hubOf } from './subjects.js';

/** Milliseconds between two rounds of questions to one process. */
const doubtInterval = 400;

/** The sessions with one process. */
interface Peer {
  readonly ends: Set<SessionEnd>;
  doubtedAt: number;
}

/** The ends of all sessions over one connection to NATS, by token, target and process. */
export class SessionEnds {
  readonly #byToken = new Map<string, SessionEnd>();
  readonly #byTarget = new Map<string, SessionEnd>();
  readonly #byPeer = new Map<string, Peer>();

  get size(): number {
    return this.#byToken.size;
  }

  /** All ends at this time. */
  get all(): SessionEnd[] {
    return [...this.#byToken.values()];
  }

  get(token: string): SessionEnd | undefined {
    return this.#byToken.get(token);
  }

  hasTarget(target: string): boolean {
    return this.#byTarget.has(target);
  }

  /** Makes an end the receiver of a token. */
  set(token: string, end: SessionEnd): void {
    const before = this.#byToken.get(token);
    if (before) this.remove(token, before);
    const { target } = end;
    this.#byToken.set(token, end);
    this.#byTarget.set(target, end);
    const hub = hubOf(target);
    const peer = this.#byPeer.get(hub);
    if (peer) peer.ends.add(end);
    else this.#byPeer.set(hub, { ends: new Set([end]), doubtedAt: -Infinity });
  }

  remove(token: string, end: SessionEnd): void {
    const { target } = end;
    if (this.#byToken.get(token) === end) this.#byToken.delete(token);
    if (this.#byTarget.get(target) === end) this.#byTarget.delete(target);
    const hub = hubOf(target);
    const peer = this.#byPeer.get(hub);
    peer?.ends.delete(end);
    if (peer?.ends.size === 0) this.#byPeer.delete(hub);
  }

  /**
   * Makes all sessions with the hub of a target probe, at most every 400 ms: everybody who may
   * publish to their ends can make them doubt.
   */
  doubt(target: string, now: number): void {
    const peer = this.#byPeer.get(hubOf(target));
    if (!peer || now < peer.doubtedAt + doubtInterval) return;
    peer.doubtedAt = now;
    for (const end of [...peer.ends]) end.probe(now);
  }
}
