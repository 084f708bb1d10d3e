import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';

/** The program `nats-server`: that of NATS_SERVER, or the one in PATH; undefined without one. */
export const natsProgram: string | undefined = findProgram();

function findProgram(): string | undefined {
  const { NATS_SERVER: given, PATH = '' } = process.env;
  if (given !== undefined && given !== '') return given;
  return PATH.split(delimiter)
    .map((folder) => join(folder, 'nats-server'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A nats-server in a process of its own, on a free port of this machine. */
export class NatsServerProcess {
  readonly #folder: string;
  readonly #config: string;
  #child: ChildProcess | undefined;
  #port = -1;

  private constructor(folder: string, config: string) {
    this.#folder = folder;
    this.#config = config;
  }

  /** @param config - lines of its configuration file beside host and port. */
  static async start(config: string = ''): Promise<NatsServerProcess> {
    const server = new NatsServerProcess(await mkdtemp(join(tmpdir(), 'k4net-nats-')), config);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Starts it, after a stop on the port that it had before. */
  async start(): Promise<void> {
    if (natsProgram === undefined) throw new Error('there is no nats-server: set NATS_SERVER');
    const file = join(this.#folder, 'nats.conf');
    await writeFile(file, `host: "127.0.0.1"\nport: ${this.#port}\n${this.#config}\n`);
    const child = spawn(natsProgram, ['-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', () => {
        reject(new Error(`nats-server ended:\n${log}`));
      });
      child.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes('Server is ready')) resolve();
      });
    });
    this.#port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  }

  /** Kills it at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  connect(options: ConnectionOptions = {}): Promise<NatsConnection> {
    return connect({
      servers: this.url,
      reconnectTimeWait: 50,
      reconnectJitter: 10,
      maxReconnectAttempts: -1,
      ...options,
    });
  }
}
