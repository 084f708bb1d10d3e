import { vi } from 'vitest';
import type { NatsConnectionLike, NatsSubscribeOptions } from '../../lib/nats/nats-connection.js';
import { kinds } from '../../lib/nats/frame.js';
import { Random } from './random.js';

/** The shares of frames that are lost, doubled and delayed. */
export interface Faults {
  readonly lost: number;
  readonly doubled: number;
  readonly delayed: number;
}

interface Held {
  left: number;
  readonly send: () => void;
}

/**
 * A connection to NATS that loses, doubles and delays the frames of sessions by a seed. A delayed
 * frame goes out behind some later ones, or after some turns of the event loop: no clock.
 */
export class FaultyConnection implements NatsConnectionLike {
  readonly #inner: NatsConnectionLike & { close(): Promise<void> };
  readonly #faults: Faults;
  readonly #random: Random;
  #held: Held[] = [];
  /** The last frames to each subject. */
  readonly #recent = new Map<string, (() => void)[]>();
  /** Frames that were lost. */
  lost = 0;

  constructor(inner: NatsConnectionLike & { close(): Promise<void> }, faults: Faults, seed: number) {
    this.#inner = inner;
    this.#faults = faults;
    this.#random = new Random(seed);
  }

  get info(): NatsConnectionLike['info'] {
    return this.#inner.info;
  }

  publish(subject: string, payload: Uint8Array = new Uint8Array(0), options?: { reply?: string }): void {
    const copy = payload.slice();
    const send = (): void => {
      if (!this.#inner.isClosed()) this.#inner.publish(subject, copy, options);
    };
    if (copy[0] === kinds.reset) this.#repeat(subject);
    else this.#remember(subject, send);
    const { lost, doubled, delayed } = this.#faults;
    // A pair of transports needs the frames that open a session. A timer repeats a lost frame, and
    // a test that has replaced the timers would wait for it forever.
    const spared = copy[0]! < kinds.frame || copy[0] === kinds.reset || vi.isFakeTimers();
    const chance = spared ? 1 : this.#random.next();
    if (chance < lost) this.lost += 1;
    else if (chance < lost + doubled) [1, 2].forEach(send);
    else if (chance < lost + doubled + delayed) this.#hold(send);
    else send();
    for (const each of this.#held) each.left -= 1;
    this.#release();
  }

  subscribe(subject: string, options?: NatsSubscribeOptions): ReturnType<NatsConnectionLike['subscribe']> {
    return this.#inner.subscribe(subject, options);
  }

  status(): ReturnType<NatsConnectionLike['status']> {
    return this.#inner.status();
  }

  closed(): Promise<unknown> {
    return this.#inner.closed();
  }

  isClosed(): boolean {
    return this.#inner.isClosed();
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #remember(subject: string, send: () => void): void {
    const recent = this.#recent.get(subject) ?? [];
    this.#recent.delete(subject);
    this.#recent.set(subject, recent);
    recent.push(send);
    if (recent.length > 256) recent.shift();
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > 8 && oldest !== undefined) this.#recent.delete(oldest);
  }

  /**
   * After a reset nobody repeats what was lost. The suites cut connections and expect that the peer
   * has what was sent some time before, so it goes out now.
   */
  #repeat(subject: string): void {
    for (const send of this.#recent.get(subject) ?? []) send();
    this.#recent.delete(subject);
  }

  #hold(send: () => void): void {
    const held = { left: 1 + this.#random.below(4), send };
    this.#held.push(held);
    let turns = 10;
    const wait = (): void => {
      turns -= 1;
      if (turns > 0 && held.left > 0) setImmediate(wait);
      else held.left = 0;
      this.#release();
    };
    setImmediate(wait);
  }

  #release(): void {
    const due = this.#held.filter(({ left }) => left <= 0);
    if (due.length === 0) return;
    this.#held = this.#held.filter(({ left }) => left > 0);
    for (const { send } of due) send();
  }
}
