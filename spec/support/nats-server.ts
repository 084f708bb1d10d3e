import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { connect, wsconnect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import { WebSocket } from 'ws';

const patient = { reconnectTimeWait: 50, reconnectJitter: 10, maxReconnectAttempts: -1 };

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
  #log = '';

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

  /** The URL of another listener that the configuration has. */
  urlOf(listener: 'route' | 'leafnode' | 'websocket'): string {
    const [, port] = new RegExp(`for ${listener} \\w+ on .*127\\.0\\.0\\.1:(\\d+)`).exec(this.#log) ?? [];
    const scheme = { route: 'nats-route', leafnode: 'nats-leaf', websocket: 'ws' }[listener];
    return `${scheme}://127.0.0.1:${port!}`;
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
    this.#log = '';
    // The listener for routes comes after the line that says ready.
    const listeners = 1 + [...this.#config.matchAll(/\bhost:/g)].length;
    const isReady = (): boolean =>
      this.#log.includes('Server is ready') &&
      [...this.#log.matchAll(/Listening for .*\n/g)].length >= listeners;
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', () => {
        reject(new Error(`nats-server ended:\n${this.#log}`));
      });
      child.stderr.on('data', (chunk: Buffer) => {
        this.#log += chunk.toString();
        if (isReady()) resolve();
      });
    });
    this.#port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(this.#log)?.[1]);
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
    return connect({ servers: this.url, ...patient, ...options });
  }

  /** Connects over the WebSocket of the nats-server, as a page does. */
  connectWebSocket(): Promise<NatsConnection> {
    const wsFactory = (url: string): Promise<{ socket: unknown; encrypted: boolean }> =>
      Promise.resolve({ socket: new WebSocket(url), encrypted: false });
    return wsconnect({ servers: this.urlOf('websocket'), ...patient, wsFactory } as ConnectionOptions);
  }
}
