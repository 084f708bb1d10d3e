import { markHandled } from '../util/wait.js';
import type { FailedInstances } from './failed-instances.js';
import type { Hub } from './hub.js';
import { ping, type ServiceInstance } from './ping.js';

/**
 * Milliseconds after which the answers are refreshed without a wait, and after which they are old.
 */
const refreshAfter = 500;
const oldAfter = 2_000;
/** Milliseconds to wait for the answers of the instances. */
export const answerTime = 300;

/** Remembers for a short time who is there, so that a sequence of broadcasts does not wait. */
export class Presence {
  readonly #hub: Hub;
  readonly #name: string;
  readonly #limit: number;
  readonly #failed: FailedInstances;
  #asking: Promise<readonly ServiceInstance[]> | undefined;
  #known: readonly ServiceInstance[] = [];
  #askedAt = -Infinity;

  /** @param limit - the number of instances. */
  constructor(hub: Hub, name: string, limit: number, failed: FailedInstances) {
    this.#hub = hub;
    this.#name = name;
    this.#limit = limit;
    this.#failed = failed;
  }

  /** Asks now. Instances that could not be reached take no place of others. */
  async ask(timeout: number): Promise<ServiceInstance[]> {
    const limit = this.#limit;
    const counts = ({ id }: ServiceInstance): boolean => !this.#failed.has(id);
    const found = await ping(this.#hub, this.#name, { timeout, limit, counts });
    return this.#failed.sort(found).slice(0, limit);
  }

  /** The instances that were there at most 2 seconds ago; those that failed come last. */
  async recent(): Promise<readonly ServiceInstance[]> {
    return this.#failed.sort(await this.#recent());
  }

  #recent(): Promise<readonly ServiceInstance[]> {
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
