// Keeps a number of instances running, each as a process. A service manager does this elsewhere.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('instance.js', import.meta.url));

/** One instance. `label` is the name that it tells its clients. */
class Instance {
  #child;

  constructor(label, environment) {
    this.label = label;
    // A group of its own: a Ctrl-C is for the program that has started it, which ends it.
    this.#child = fork(program, { detached: true, env: { ...process.env, ...environment, INSTANCE: label } });
    this.exited = once(this.#child, 'exit');
  }

  get pid() {
    return this.#child.pid;
  }

  /**
   * Waits until the instance listens.
   *
   * @returns {Promise<{ id: string, fingerprint: string }>} its id, and the fingerprint of its key.
   */
  async ready() {
    const [facts] = await Promise.race([once(this.#child, 'message'), this.exited]);
    if (typeof facts !== 'object' || facts === null)
      throw new Error(`instance ${this.label} ended: ${facts}`);
    return facts;
  }

  kill(signal) {
    this.#child.kill(signal);
  }
}

export class Instances {
  running = [];
  /** Called with an instance and its id when it listens. */
  onStart = () => undefined;
  /** Called with an instance and its exit code or signal. */
  onExit = () => undefined;
  #environment;
  #count = 0;
  #closing = false;
  #exits = [];

  /** @param environment - of the instances: NATS_URL, KEY. */
  constructor(environment) {
    this.#environment = environment;
  }

  /**
   * Starts one, and another one each time that it ends.
   *
   * @returns {Promise<string>} the fingerprint of its key.
   */
  async start() {
    this.#count += 1;
    const instance = new Instance(String.fromCharCode(65 + ((this.#count - 1) % 26)), this.#environment);
    this.running.push(instance);
    this.#exits.push(this.#watch(instance));
    const { id, fingerprint } = await instance.ready();
    this.onStart(instance, id);
    return fingerprint;
  }

  async #watch(instance) {
    const [code, signal] = await instance.exited;
    this.running.splice(this.running.indexOf(instance), 1);
    this.onExit(instance, signal ?? code);
    if (!this.#closing) await this.start();
  }

  /** Ends all: they answer the calls under way first. */
  async close() {
    this.#closing = true;
    for (const instance of this.running) instance.kill('SIGTERM');
    await Promise.allSettled(this.#exits);
  }
}
