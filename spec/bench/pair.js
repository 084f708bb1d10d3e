import { kinds } from './kinds/index.js';
import { Peer } from './peer-process.js';

/**
 * Connections that are open before memory is compared. The first ones also pay for code, pools and the growth of the heap,
 * some megabytes in all: with 50 of them a bare TCP socket seemed to need more than one of the library around it.
 */
const pioneers = 500;

/** Client and server of one contestant, each a process of its own, so that none warms or spoils the code of another. */
export class Pair {
  #contestant;
  #server;
  #client;
  #port = 0;

  /**
   * @param {{ file: string, environment: Record<string, string> }} contestant
   * @param {readonly string[]} execArgv - options of Node for both processes.
   */
  constructor(contestant, execArgv) {
    this.#contestant = contestant;
    this.#server = new Peer(contestant, execArgv);
    this.#client = new Peer(contestant, execArgv);
  }

  async start() {
    const { file } = this.#contestant;
    await Promise.all([this.#server.ask('load', { file }), this.#client.ask('load', { file })]);
    ({ port: this.#port } = await this.#server.ask('listen'));
  }

  /** One measurement over new connections. */
  async run(work, count) {
    const figures = await this.exchange(work, count);
    await this.close();
    return figures;
  }

  /** Bytes of the server's memory for each of `count` connections that stay open. */
  async weigh({ kind, size }, count) {
    const work = { kind, size, inFlight: 8 };
    await this.exchange({ ...work, kind: 'connections' }, Math.min(pioneers, count));
    const before = await this.#server.ask('memory');
    await this.exchange(work, count);
    const after = await this.#server.ask('memory');
    await this.close();
    return { count, bytes: (after - before) / count };
  }

  /** Does the work and leaves its connections open; throws unless every message and byte has come. */
  async exchange(work, count) {
    const { kind, size, inFlight, laps, runners, slowReader } = work;
    const task = { kind, size, count, inFlight, laps, runners, slowReader };
    await this.#server.ask('serve', task);
    const served = this.#server.answer();
    const driven = this.#client.ask('drive', { ...task, port: this.#port });
    const [server, client] = await Promise.all([served, driven]);
    const { sent, answered } = kinds[kind].expected(task);
    this.#check('server', server, sent, size);
    this.#check('client', client, answered, size);
    return {
      count,
      seconds: client.seconds,
      clientCpu: client.cpu / count,
      serverCpu: server.cpu / count,
      laps: client.laps,
    };
  }

  async close() {
    await Promise.all([this.#server.ask('close'), this.#client.ask('close')]);
  }

  async stop() {
    await Promise.all([this.#server.stop(), this.#client.stop()]);
  }

  #check(side, { messages, bytes, wrong }, count, size) {
    if (messages === count && bytes === count * size && wrong === 0) return;
    throw new Error(
      `the ${side} got ${messages} messages with ${bytes} bytes (${wrong} wrong), ` +
        `not ${count} with ${count * size}`,
    );
  }
}
