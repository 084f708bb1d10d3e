import type { ServiceInstance } from './ping.js';

/** Milliseconds for which an instance that could not be reached comes behind the others. */
const failedFor = 10_000;

/** Remembers ids of instances that could not be reached: everybody can claim to be an instance. */
export class FailedInstances {
  readonly #most: number;
  readonly #until = new Map<string, number>();

  /** @param most - the number of ids; the oldest is forgotten first. */
  constructor(most: number) {
    this.#most = most;
  }

  add(id: string): void {
    this.#until.delete(id);
    this.#until.set(id, performance.now() + failedFor);
    const [oldest] = this.#until.keys();
    if (this.#until.size > this.#most && oldest !== undefined) this.#until.delete(oldest);
  }

  remove(id: string): void {
    this.#until.delete(id);
  }

  has(id: string): boolean {
    return performance.now() < (this.#until.get(id) ?? -Infinity);
  }

  /** The same instances: those that failed come last. */
  sort(instances: readonly ServiceInstance[]): ServiceInstance[] {
    const failed = instances.filter(({ id }) => this.has(id));
    return [...instances.filter(({ id }) => !this.has(id)), ...failed];
  }
}
