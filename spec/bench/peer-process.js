import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer.js', import.meta.url));
const patience = 60_000;

/** A child process that answers one command after another. */
export class Peer {
  #child;
  #answers = [];

  constructor({ environment }, execArgv) {
    this.#child = fork(script, { execArgv, env: { ...process.env, ...environment } });
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
      this.#answers.push(({ error, stack, result }) => {
        clearTimeout(timer);
        if (error !== undefined) reject(new Error(error, { cause: stack }));
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
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await gone;
  }
}
