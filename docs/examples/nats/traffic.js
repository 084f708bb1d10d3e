// A client that calls the service all the time, and counts what becomes of the calls. The program
// for Node and the page use it.

const callers = 32;
/** Milliseconds between two calls of a caller, so that the machine has time for the rest. */
const interval = 2;
const pause = () => new Promise((resolve) => setTimeout(resolve, interval));

export class Traffic {
  made = 0;
  answered = 0;
  failed = 0;
  /** Milliseconds of the call that took longest. */
  longest = 0;
  /** Called with the error of a call. */
  onFailure = () => undefined;
  #factors;
  #running = [];
  #stopped = false;
  /** Answers by instance since they were taken the last time. */
  #answers = new Map();

  /** @param factors - a typed view of the service. */
  constructor(factors) {
    this.#factors = factors;
  }

  start() {
    this.#running = Array.from({ length: callers }, () => this.#run());
  }

  /** Waits for the calls under way. */
  async stop() {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** The answers by instance since the last time. */
  take() {
    const taken = this.#answers;
    this.#answers = new Map();
    return taken;
  }

  async #run() {
    while (!this.#stopped) {
      await this.#call(1 + Math.floor(Math.random() * 1_000_000));
      await pause();
    }
  }

  async #call(number) {
    this.made += 1;
    const begin = performance.now();
    try {
      // The same number has the same factors everywhere, so a call can be made again.
      const options = { repeatable: true, timeout: 30_000 };
      const { instance, factors } = await this.#factors.call('factors', number, options);
      if (factors.reduce((product, factor) => product * factor, 1) !== number)
        throw new Error(`instance ${instance} says that ${number} is ${factors.join(' x ')}`);
      this.answered += 1;
      this.#answers.set(instance, (this.#answers.get(instance) ?? 0) + 1);
    } catch (error) {
      this.failed += 1;
      this.onFailure(error);
    }
    this.longest = Math.max(this.longest, performance.now() - begin);
  }
}
