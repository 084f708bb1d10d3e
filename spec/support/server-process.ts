import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { connect } from '../../lib/net/connect.js';
import type { QueueSocketStats } from '../../lib/queue/queue-stats.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';

const program = fileURLToPath(new URL('../queue/programs/attacked-server.mjs', import.meta.url));

/** The state that a server process reports. */
export interface ServerReport {
  /** The counters of the open sockets. */
  readonly stats: readonly QueueSocketStats[];
  /** Peak memory in bytes, above the memory before the first connection. */
  readonly most: { readonly rss: number; readonly arrayBuffers: number };
  /** The code of each closed socket, in the order of their ends. */
  readonly ends: readonly string[];
  /** A session of the server itself that makes calls all the time. */
  readonly session: {
    /** The longest call in milliseconds, without the time in which the process did not run. */
    readonly longest: number;
    /** The code with which it closed. */
    readonly code?: string;
  };
}

/** A server of queue sockets in another process, which a test can attack. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #pin: string | undefined;
  readonly #streams: Socket[] = [];

  private constructor(child: ChildProcess, port: number, pin: string | undefined) {
    this.#child = child;
    this.#port = port;
    this.#pin = pin;
  }

  /** @param session - whether the server itself makes calls all the time. */
  static async start(kind: 'plain' | 'encrypted', session: boolean = false): Promise<ServerProcess> {
    const child = fork(program, session ? [kind, 'session'] : [kind], { execArgv: ['--expose-gc'] });
    const [{ port, fingerprint }] = (await once(child, 'message')) as [
      { port: number; fingerprint?: string },
    ];
    return new ServerProcess(child, port, fingerprint);
  }

  async report(): Promise<ServerReport> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = (await answer) as [ServerReport];
    return report;
  }

  /** Requests reports until one meets the condition. */
  async reportUntil(condition: (report: ServerReport) => boolean): Promise<ServerReport> {
    for (;;) {
      const report = await this.report();
      if (condition(report)) return report;
    }
  }

  /** A message socket to the server. */
  connect(): Promise<LockedSocket> {
    const where = { port: this.#port, host: '127.0.0.1' };
    return this.#pin === undefined
      ? connect({ ...where, plain: true })
      : connect({ ...where, pin: this.#pin });
  }

  /** A TCP stream to the server. */
  async stream(): Promise<Socket> {
    const stream = connectTcp(this.#port, '127.0.0.1');
    stream.on('error', () => undefined);
    this.#streams.push(stream);
    await once(stream, 'connect');
    return stream;
  }

  async stop(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
