import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer.js', import.meta.url));
const answerTimeout = 60_000;

/** A child process that runs peer.js and answers one command after another. */
export class PeerProcess {
  #child;
  #waiting = [];

  constructor(environment, execArgv) {
    this.#child = fork(script, { execArgv, env: { ...process.env, ...environment } });
    this.#child.on('message', (answer) => this.#waiting.shift()?.(answer));
    this.#child.on('exit', (code, signal) => {
      const error = `a process of the benchmark ended early: ${code ?? signal}`;
      for (const settle of this.#waiting.splice(0)) settle({ error });
    });
  }

  /** Waits for the next answer. */
  answer() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`a process of the benchmark gave no answer in ${answerTimeout / 1000} s`));
      }, answerTimeout);
      this.#waiting.push(({ error, stack, result }) => {
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
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }
}
