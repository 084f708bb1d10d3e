/** Something that happens to a hub, and the functions that want to know. */
export class HubEvent<A extends readonly unknown[] = []> {
  readonly #calls = new Set<(...args: A) => void>();

  /** Calls a function each time. Returns a function that ends that. */
  on(call: (...args: A) => void): () => void {
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  emit(...args: A): void {
    for (const each of [...this.#calls]) each(...args);
  }
}
