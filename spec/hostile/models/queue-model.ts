import { turns } from '../../support/recorder.js';
import { Crashes, Signals, Violations, withinDeadline } from './cases.js';
import type { QueuePlan } from './queue-plan.js';
import { QueueSide, type Handled } from './queue-side.js';
import { Fixture } from '../../support/fixture.js';

/** Runs one case: both sides at the same time, then the rules. */
export async function runQueueCase(plan: QueuePlan): Promise<void> {
  const violations = new Violations();
  const signals = new Signals();
  const crashes = new Crashes();
  const fixture = new Fixture(plan.wire);
  const sockets = await fixture.socketPair();
  const near = new QueueSide('near', sockets.near, plan, plan.near, signals, violations, sockets.cut);
  const far = new QueueSide('far', sockets.far, plan, plan.far, signals, violations, sockets.cut);
  near.peer = far;
  far.peer = near;
  const run = new QueueCase(plan, near, far, violations);
  const state = (): string => `${near.toString()}\n${far.toString()}`;
  try {
    await withinDeadline(run.run(), state);
    run.check();
    signals.check(violations);
  } finally {
    run.stop();
    await fixture.release();
    await crashes.end(violations);
  }
  violations.check(state);
}

class QueueCase {
  readonly #plan: QueuePlan;
  readonly #near: QueueSide;
  readonly #far: QueueSide;
  readonly #directions: readonly (readonly [QueueSide, QueueSide])[];
  readonly #violations: Violations;
  #stopped = false;

  constructor(plan: QueuePlan, near: QueueSide, far: QueueSide, violations: Violations) {
    this.#plan = plan;
    this.#near = near;
    this.#far = far;
    this.#directions = [
      [near, far],
      [far, near],
    ];
    this.#violations = violations;
  }

  async run(): Promise<void> {
    const sides = [this.#near, this.#far];
    await Promise.all(sides.map((side) => side.run()));
    while (!this.#stopped && !this.#ended && !this.#quiet) await turns();
    if (!this.#ended) {
      const { ending } = this.#plan;
      if (ending === 'both drain') await Promise.all(sides.map((side) => side.end('drain')));
      else await this.#near.end(ending);
    }
    await Promise.all(sides.map((side) => side.finish()));
  }

  stop(): void {
    this.#stopped = true;
  }

  check(): void {
    const cut = [this.#near, this.#far].some(({ ending }) => ending === 'cut');
    for (const [from, to] of this.#directions) {
      if (!cut && to.ending === undefined) {
        const missing = missingOf(from, to);
        if (missing.length > 0) this.#violations.add(`${to.name} has not handled ${missing.join(', ')}`);
      }
      checkOnce(from, to, this.#violations);
      checkOrder(to, this.#violations);
    }
  }

  get #ended(): boolean {
    return this.#directions.some(([{ ending }]) => ending !== undefined);
  }

  /** Whether every message is handled and every request is answered. */
  get #quiet(): boolean {
    return this.#directions.every(([from, to]) => {
      const { callsInFlight, requestsInFlight, callbackQueue, requestQueue } = from.queue.stats();
      const waiting = callsInFlight + requestsInFlight + callbackQueue.bytes + requestQueue.bytes;
      return waiting === 0 && from.pending.size === 0 && missingOf(from, to).length === 0;
    });
  }
}

/** Numbers of the messages that were accepted and neither handled nor, by the options, dropped. */
function missingOf(from: QueueSide, to: QueueSide): number[] {
  const handled = new Set(to.handled.map(({ index }) => index));
  return [...from.sent.entries()]
    .filter(([index, { accepted, kind, name }]) => {
      if (!accepted || handled.has(index)) return false;
      return kind === 'raw' || to.plan.unmatched === 'queue' || to.stableNames.has(name);
    })
    .map(([index]) => index);
}

/**
 * Every message is handled once, by the callback of its name or by `recv`, and only if it was
 * sent.
 */
function checkOnce(from: QueueSide, to: QueueSide, violations: Violations): void {
  const seen = new Set<number>();
  for (const { index, kind, name } of to.handled) {
    const sent = from.sent[index];
    if (sent?.kind !== kind || sent.name !== name) {
      violations.add(`${to.name} has handled ${kind} ${index} of '${name}', which was not sent`);
    }
    if (seen.has(index)) violations.add(`${to.name} has handled ${kind} ${index} twice`);
    seen.add(index);
  }
}

/**
 * Callbacks begin in the order in which their messages were sent: those of messages within their
 * queue, those of requests within their name. A name whose callback changes can change its queue.
 */
function checkOrder(side: QueueSide, violations: Violations): void {
  const last = new Map<string, Handled>();
  for (const each of side.handled) {
    const { kind, name, queue = 'recv', index } = each;
    if (kind === 'raw' ? side.receivesTwice : !side.stableNames.has(name)) continue;
    const key = kind === 'request' ? `request ${name}` : queue;
    const before = last.get(key);
    if (before && before.index > index) {
      violations.add(`${side.name} has handled ${before.index} before ${index} in '${key}'`);
    }
    last.set(key, each);
  }
}
