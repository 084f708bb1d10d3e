import type { Bytes } from '../util/bytes.js';
import { flags, kinds, type Frame } from './frame.js';

/** Milliseconds for which the last answer of a session is kept, and the number of them. */
const keptFor = 3_000;
const mostKept = 1_024;

/** The last answer of a session that has ended. */
interface LastAnswer {
  readonly target: string;
  readonly frame: Bytes;
  readonly until: number;
}

/**
 * The sessions that have ended a short time ago. If the last answer is lost, the peer asks for it:
 * a reset would drop data that its reader has not taken.
 */
export class EndedSessions {
  readonly #byToken = new Map<string, LastAnswer>();

  add(token: string, target: string, frame: Bytes, now: number): void {
    this.#byToken.set(token, { target, frame, until: now + keptFor });
    // They expire in the order in which they were added.
    for (const [oldest, { until }] of this.#byToken) {
      if (now < until && this.#byToken.size <= mostKept) break;
      this.#byToken.delete(oldest);
    }
  }

  /** Whether the session has ended a short time ago. */
  has(token: string, now: number): boolean {
    return now < (this.#byToken.get(token)?.until ?? -Infinity);
  }

  /** The answer to a frame that wants one. */
  answerTo(token: string, { kind, code }: Frame): LastAnswer | undefined {
    const wanted = kind === kinds.frame && (code & (flags.ask | flags.end)) !== 0;
    return wanted ? this.#byToken.get(token) : undefined;
  }
}
