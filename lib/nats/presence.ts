import { markHandled } from '../util/wait.js';
import type { Hub } from './hub.js';
import { ping, type ServiceInstance } from './ping.js';

/** Milliseconds after which the answers are refreshed without a wait, and after which they are old. */
const refreshAfter = 500;
const oldAfter = 2_000;
/** Milliseconds to wait for the answers of the instances. */
export const answerTime = 300;

/** Remembers for a short time who is there, so that a sequence of broadcasts does not wait. */
export class Presence {
  readonly #hub: Hub;
  readonly #name: string;
  readonly #limit: number;
  #asking: Promise<readonly ServiceInstance[]> | undefined;
  #known: readonly ServiceInstance[] = [];
  #askedAt = -Infinity;

  /** @param limit - the number of instances. */
  constructor(hub: Hub, name: string, limit: number) {
    this.#hub = hub;
    this.#name = name;
    this.#limit = limit;
  }

  /** Asks now. */
  ask(timeout: number): Promise<ServiceInstance[]> {
    return ping(this.#hub, this.#name, { timeout, limit: this.#limit });
  }

  /** The instances that were there at most 2 seconds ago. */
  recent(): Promise<readonly ServiceInstance[]> {
    const age = performance.now() - this.#askedAt;
    const usable = age <= oldAfter && this.#known.length > 0 && !this.#hub.nc.isClosed();
    if (usable && age <= refreshAfter) return Promise.resolve(this.#known);
    this.#asking ??= markHandled(this.#refresh());
    return usable ? Promise.resolve(this.#known) : this.#asking;
  }

  async #refresh(): Promise<readonly ServiceInstance[]> {
    const now = performance.now();
    try {
      this.#known = await this.ask(answerTime);
      this.#askedAt = now;
      return this.#known;
    } finally {
      this.#asking = undefined;
    }
  }
}
