import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, wsconnect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import { WebSocket } from 'ws';
import { findNatsServer } from '../nats/find-server.js';

/** The program `nats-server`: that of NATS_SERVER, or the one in PATH; undefined without one. */
export const natsProgram: string | undefined = findNatsServer();

/** The listeners of a nats-server, as its log names them. */
export type NatsPort = 'client' | 'http monitor' | 'route' | 'leafnode' | 'websocket';

/** A nats-server in a process of its own, on free ports of this machine. */
export class NatsServerProcess {
  readonly #folder: string;
  readonly #config: string;
  readonly #ports = new Map<string, number>();
  #child: ChildProcess | undefined;

  private constructor(folder: string, config: string) {
    this.#folder = folder;
    this.#config = `host: "127.0.0.1"\nport: <client>\n${config}\n`;
  }

  /**
   * @param config - lines of its configuration file beside host and port. `<name>` stands for the
   * port of a listener: a free one at the first start, later the same.
   */
  static async start(config: string = ''): Promise<NatsServerProcess> {
    const server = new NatsServerProcess(await mkdtemp(join(tmpdir(), 'k4net-nats-')), config);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port('client')}`;
  }

  get pid(): number {
    return this.#child?.pid ?? expectRunning();
  }

  port(name: NatsPort): number {
    return this.#ports.get(name) ?? expectRunning();
  }

  /** Starts it, after a stop on the ports that it had before. */
  async start(): Promise<void> {
    if (natsProgram === undefined) throw new Error('there is no nats-server: set NATS_SERVER');
    const file = join(this.#folder, 'nats.conf');
    const names: string[] = [];
    const config = this.#config.replace(/<([\w ]+)>/g, (_, name: string) => {
      names.push(name);
      return String(this.#ports.get(name) ?? -1);
    });
    await writeFile(file, config);
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
        for (const [, name = '', port] of log.matchAll(listening)) this.#ports.set(name, Number(port));
        const isListening = names.every((name) => log.includes(name) && this.#ports.has(name));
        if (isListening && log.includes('Server is ready')) resolve();
      });
    });
  }

  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Resolves when it has ended. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    await once(child, 'exit');
  }

  /** Kills it at once. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.gone();
    this.#child = undefined;
  }

  async stop(): Promise<void> {
    // One that is stopped ends as well.
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  connect(options: ConnectionOptions = {}): Promise<NatsConnection> {
    return connect({ servers: this.url, ...reconnecting, ...options });
  }

  /** A connection over its websocket. Node 20 has no WebSocket. */
  connectOverWebSocket(options: ConnectionOptions = {}): Promise<NatsConnection> {
    return wsconnect({
      servers: `ws://127.0.0.1:${this.port('websocket')}`,
      wsFactory: (url: string) =>
        Promise.resolve({ socket: new WebSocket(url, { perMessageDeflate: false }), encrypted: false }),
      ...reconnecting,
      ...options,
    } as ConnectionOptions);
  }

  /** What its monitor says, such as `/varz`. Its configuration needs `http: <http monitor>`. */
  async monitor<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.port('http monitor')}${path}`);
    return (await response.json()) as T;
  }
}

const listening =
  /(?:Listening for|Starting) ([a-z ]+?)(?: connections| clients)? on (?:ws:\/\/)?127\.0\.0\.1:(\d+)/g;
const reconnecting = { reconnectTimeWait: 50, reconnectJitter: 10, maxReconnectAttempts: -1 };

function expectRunning(): never {
  throw new Error('the nats-server does not run, or has no such listener');
}
