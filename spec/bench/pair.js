import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer.js', import.meta.url));
const patience = 20_000;

/** A child process that answers one command after another. */
class Peer {
  #child;
  #answers = [];

  constructor({ file, environment }, execArgv) {
    this.#child = fork(script, [file], { execArgv, env: { ...process.env, ...environment } });
    this.#child.on('message', (answer) => this.#answers.shift()?.(answer));
    this.#child.on('exit', (code, signal) => {
      const error = `a process of the benchmark ended early: ${code ?? signal}`;
      for (const answer of this.#answers.splice(0)) answer({ error });
    });
  }

  /** Waits for the next answer. */
  answer() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('a process of the benchmark does not answer'));
      }, patience);
      this.#answers.push(({ error, result }) => {
        clearTimeout(timer);
        if (error) reject(new Error(error));
        else resolve(result);
      });
    });
  }

  ask(name, argument) {
    const answer = this.answer();
    this.#child.send({ name, argument });
    return answer;
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await gone;
  }
}

/** Client and server of one contestant, each a process of its own, so that none warms or spoils the code of another. */
export class Pair {
  #server;
  #client;
  #port = 0;

  /**
   * @param {{ file: string, environment: Record<string, string> }} contestant
   * @param {readonly string[]} execArgv - options of Node for both processes.
   */
  constructor(contestant, execArgv) {
    this.#server = new Peer(contestant, execArgv);
    this.#client = new Peer(contestant, execArgv);
  }

  async start() {
    await Promise.all([this.#server.answer(), this.#client.answer()]);
    ({ port: this.#port } = await this.#server.ask('listen'));
  }

  /** One measurement over a new connection; throws unless every message and byte has come. */
  async run({ kind, size, inFlight }, count) {
    await this.#server.ask('serve', { kind, size, count });
    const served = this.#server.answer();
    const driven = this.#client.ask('drive', { port: this.#port, kind, size, count, inFlight });
    const [server, client] = await Promise.all([served, driven]);
    await Promise.all([this.#server.ask('close'), this.#client.ask('close')]);
    check('server', server, count, size);
    check('client', client, kind === 'stream' ? 1 : count, size);
    return { count, seconds: client.seconds, clientCpu: client.cpu / count, serverCpu: server.cpu / count };
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
