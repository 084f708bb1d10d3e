import { PeerProcess } from './peer-process.js';
import { workloads } from './workloads/index.js';

/**
 * Connections that are open before memory is measured. The first ones also pay for code, buffer
 * pools and the growth of the heap, some megabytes in all: with 50 of them a bare TCP socket seemed
 * to need more memory than a LockedSocket.
 */
const warmUpConnections = 500;

/**
 * The client and the server of one contestant. Each is a process, so that none compiles code for
 * another.
 */
export class ProcessPair {
  #contestant;
  #server;
  #client;
  #port = 0;

  /**
   * @param {{ file: string, environment: Record<string, string> }} contestant
   * @param {readonly string[]} [execArgv] - options of Node for both processes.
   * @param {(side: 'client' | 'server') => Record<string, string>} [environment] - for one of the
   *   processes.
   */
  constructor(contestant, execArgv = [], environment = () => ({})) {
    const start = (side) => new PeerProcess({ ...contestant.environment, ...environment(side) }, execArgv);
    this.#contestant = contestant;
    this.#server = start('server');
    this.#client = start('client');
  }

  async start() {
    const { file } = this.#contestant;
    await Promise.all([this.#server.ask('load', { file }), this.#client.ask('load', { file })]);
    ({ port: this.#port } = await this.#server.ask('listen'));
  }

  /** Does the work once over new connections. */
  async run(work, count) {
    const sample = await this.#exchange(work, count);
    await this.#close();
    return sample;
  }

  /** Measures the server's memory for each of `count` connections that stay open. */
  async measureMemory({ size }, count) {
    const work = { size, inFlight: 8 };
    await this.#exchange({ ...work, workload: 'connections' }, Math.min(warmUpConnections, count));
    const before = await this.#server.ask('memory');
    await this.#exchange({ ...work, workload: 'idle' }, count);
    const after = await this.#server.ask('memory');
    await this.#close();
    return { count, bytes: (after - before) / count };
  }

  /** Does the work and leaves its connections open. Throws if a message or a byte is missing. */
  async #exchange(work, count) {
    const { workload, size, inFlight, rounds, connections, slowReader } = work;
    const task = { workload, size, count, inFlight, rounds, connections, slowReader };
    await this.#server.ask('serve', task);
    const served = this.#server.answer();
    const driven = this.#client.ask('drive', { ...task, port: this.#port });
    const [server, client] = await Promise.all([served, driven]);
    const { sent, answered } = workloads[workload].expected(task);
    check('server', server, sent, size);
    check('client', client, answered, size);
    return {
      count,
      seconds: client.seconds,
      clientCpu: client.cpu / count,
      serverCpu: server.cpu / count,
      rounds: client.rounds,
      ...client.latency,
    };
  }

  async #close() {
    await Promise.all([this.#server.ask('close'), this.#client.ask('close')]);
  }

  async stop() {
    await Promise.all([this.#server.stop(), this.#client.stop()]);
  }
}

function check(side, { messages, bytes, wrong }, count, size) {
  if (messages === count && bytes === count * size && wrong === 0) return;
  throw new Error(
    `the ${side} got ${messages} messages with ${bytes} bytes (${wrong} wrong), not ${count} with ${count * size}`,
  );
}

/** Keeps the processes of each contestant for the repetitions of one work, or of all works. */
export class ProcessPool {
  #keepBetweenWorks;
  #pairs = new Map();

  constructor({ keepBetweenWorks }) {
    this.#keepBetweenWorks = keepBetweenWorks;
  }

  async get(contestant) {
    let pair = this.#pairs.get(contestant.name);
    if (pair === undefined) {
      pair = new ProcessPair(contestant);
      this.#pairs.set(contestant.name, pair);
      await pair.start();
    }
    return pair;
  }

  /** Ends the processes of a contestant that failed. */
  async remove({ name }) {
    const pair = this.#pairs.get(name);
    this.#pairs.delete(name);
    await pair?.stop();
  }

  async endOfWork() {
    if (!this.#keepBetweenWorks) await this.stop();
  }

  async stop() {
    const pairs = [...this.#pairs.values()];
    this.#pairs.clear();
    await Promise.all(pairs.map((pair) => pair.stop()));
  }
}
