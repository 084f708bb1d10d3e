import { Pair } from './pair.js';

/** The processes that are there while a work is measured, and longer when they are kept from work to work. */
export class Pairs {
  #execArgv;
  #kept;
  #pairs = new Map();

  constructor(execArgv, kept) {
    this.#execArgv = execArgv;
    this.#kept = kept;
  }

  async take(contestant) {
    let pair = this.#pairs.get(contestant.name);
    if (pair === undefined) {
      pair = new Pair(contestant, this.#execArgv);
      this.#pairs.set(contestant.name, pair);
      await pair.start();
    }
    return pair;
  }

  /** Ends processes that are in no known state. */
  async drop({ name }) {
    const pair = this.#pairs.get(name);
    this.#pairs.delete(name);
    await pair?.stop();
  }

  async endOfWork() {
    if (!this.#kept) await this.stop();
  }

  async stop() {
    const pairs = [...this.#pairs.values()];
    this.#pairs.clear();
    await Promise.all(pairs.map((pair) => pair.stop()));
  }
}
