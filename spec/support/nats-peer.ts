import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Fixture } from './fixture.js';
import { keys } from './keys.js';

const program = fileURLToPath(new URL('../nats/programs/peer.mjs', import.meta.url));
const library = new URL('../../dist/nats/index.js', import.meta.url).href;

/** What to start: an instance of the service `orders`, or a client with one session. */
export interface NatsPeerOptions {
  readonly role: 'instance' | 'client';
  /** The nats-servers, of which it takes the first that is there. */
  readonly servers: readonly string[];
  /** What an instance does with messages. Default 'echo'. */
  readonly behaviour?: 'echo' | 'length' | 'stopped';
  /** Options of `listenNats` or `connectNats`. */
  readonly options?: object;
}

/** Bytes of a process: all of it, and what its objects and buffers use. */
export interface Memory {
  readonly rss: number;
  readonly used: number;
}

/** A process that runs spec/nats/programs/peer.mjs with the built package. */
export class NatsPeer {
  readonly #child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  /** The id of an instance. */
  readonly id: string;

  private constructor(child: ChildProcess, exited: Promise<unknown[]>, id: string) {
    this.#child = child;
    this.exited = exited;
    this.id = id;
  }

  static async start(fixture: Fixture, options: NatsPeerOptions): Promise<NatsPeer> {
    const secrets = { key: keys.server.toPem(), pin: keys.server.fingerprint };
    const words = JSON.stringify({ behaviour: 'echo', ...options, ...secrets, library });
    const child = fork(program, [words], { execArgv: ['--expose-gc'] });
    fixture.onCleanup(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const [[, id]] = (await Promise.race([
      once(child, 'message'),
      exited.then(() => {
        throw new Error('the peer ended before it was ready');
      }),
    ])) as [[string, string]];
    return new NatsPeer(child, exited, id);
  }

  async ask<T = unknown>(command: string, value?: unknown): Promise<T> {
    const answer = new Promise<T>((resolve) => {
      const listener = ([name, result]: [string, T]): void => {
        if (name !== command) return;
        this.#child.off('message', listener);
        resolve(result);
      };
      this.#child.on('message', listener);
    });
    this.#child.send([command, value]);
    return answer;
  }

  /** Kills it, and resolves when it has ended. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }
}
