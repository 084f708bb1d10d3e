import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type PlainConnectOptions } from '../../lib/net/connect.js';
import { listen, type PlainListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { until } from './sockets.js';

/** What a socket can be reached over. */
export type Carrier = 'TCP' | 'Unix socket';
export const carriers: readonly Carrier[] = ['TCP', 'Unix socket'];

/** Servers and sockets of one test, and what takes them all away. */
export class Field {
  readonly #servers: Server[] = [];
  readonly #sockets: LockedSocket[] = [];
  readonly #undo: (() => unknown)[] = [];
  #folder: string | undefined;
  #paths = 0;

  /** A new folder. */
  async folder(): Promise<string> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'k4net-net-'));
    return this.#folder;
  }

  /** A path at which nothing is yet. */
  async path(): Promise<string> {
    this.#paths += 1;
    return join(await this.folder(), `socket-${this.#paths}`);
  }

  /** A fresh address to listen on. */
  async where(carrier: Carrier): Promise<{ port: number } | { path: string }> {
    return carrier === 'TCP' ? { port: 0 } : { path: await this.path() };
  }

  async listen(options: Omit<PlainListenOptions, 'plain'> = { port: 0 }): Promise<Server> {
    const server = await listen({ plain: true, ...options });
    this.#servers.push(server);
    return server;
  }

  async connect(to: Server, options: Partial<PlainConnectOptions> = {}): Promise<LockedSocket> {
    return this.keep(await connect({ plain: true, ...to.address(), ...options }));
  }

  /** Clients one after another: the server accepts them in this order. */
  async clients(to: Server, count: number): Promise<LockedSocket[]> {
    const sockets: LockedSocket[] = [];
    for (let i = 0; i < count; i += 1) {
      const before = to.connections;
      sockets.push(await this.connect(to));
      await until(() => to.connections > before);
    }
    return sockets;
  }

  keep(socket: LockedSocket): LockedSocket {
    this.#sockets.push(socket);
    return socket;
  }

  onClear(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  async clear(): Promise<void> {
    for (const undo of this.#undo.splice(0)) await undo();
    const sockets = this.#sockets.splice(0);
    await Promise.all(sockets.map((socket) => socket.close(undefined, { timeout: 0 })));
    await Promise.all(this.#servers.splice(0).map((server) => server.close({ timeout: 0 })));
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** The sockets that Node makes for clients, or that its servers accept, as they come. */
export class Spy {
  readonly sockets: Socket[] = [];
  /** Attempts that have failed. */
  failed = 0;
  readonly #channel: string;
  readonly #note = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    this.sockets.push(socket);
    socket.once('error', () => (this.failed += 1));
  };

  constructor(side: 'client' | 'server', field: Field) {
    this.#channel = `net.${side}.socket`;
    subscribe(this.#channel, this.#note);
    field.onClear(() => unsubscribe(this.#channel, this.#note));
  }
}

const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap', 'PipeServerWrap', 'PipeConnectWrap'];

/** How many handles of the network keep this process alive. */
export function handles(): number {
  return process.getActiveResourcesInfo().filter((kind) => kinds.includes(kind)).length;
}
