import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect } from 'vitest';
import type { CipherChoice } from '../../lib/crypto/choose-backend.js';
import { connect, type EncryptedConnectOptions, type PlainConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions, type PlainListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type {
  EncryptedClientOptions,
  EncryptedServerOptions,
} from '../../lib/sockets/encrypted-socket-options.js';
import { EncryptedSocket, type EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import type { Carrier } from '../../lib/transport/to-transport.js';
import { keys } from './keys.js';
import { inMemory, media, type Connection, type Medium } from './media.js';
import { Relay, type Meddle } from './relay.js';
import { until } from './sockets.js';
import { listening, tcpPair, type StreamPair } from './streams.js';

/** The kind of a socket and of the connection below it. */
export type SocketKind = `${'plain' | 'encrypted'} ${Medium}`;
export const socketKinds: readonly SocketKind[] = [
  'plain in memory',
  'plain over TCP',
  'encrypted in memory',
  'encrypted over TCP',
];
export const tcpKinds: readonly SocketKind[] = ['plain over TCP', 'encrypted over TCP'];

/** A connection between an encrypted client and an encrypted server. */
export type Wire = 'memory' | 'TCP';
export const wires: readonly Wire[] = ['memory', 'TCP'];

/** An address that a server can listen on. */
export type Listening = 'TCP' | 'Unix socket';
export const carriers: readonly Listening[] = ['TCP', 'Unix socket'];

/** Two connected sockets. */
export interface SocketPair {
  readonly near: LockedSocket;
  readonly far: LockedSocket;
  /** Resets the connection without an end of stream. */
  readonly cut: () => void;
}

/** Two connected queue sockets, and the sockets below them. */
export interface QueuePair {
  readonly near: QueueSocket;
  readonly far: QueueSocket;
  readonly nearSocket: LockedSocket;
  readonly farSocket: LockedSocket;
  /** Resets the connection without an end of stream. */
  readonly cut: () => void;
}

export interface QueuePairOptions {
  readonly near?: QueueSocketOptions;
  readonly far?: QueueSocketOptions;
  /** Options of both sockets below the queues. */
  readonly sockets?: LockedSocketOptions;
}

/** The kind of the sockets of a fixture; the first default is 'plain in memory'. */
export type FixtureArguments = [kind?: SocketKind, options?: { readonly cipher?: CipherChoice }];

// Captured at load: tests may replace the timers.
const turn = promisify(setImmediate);
const now = performance.now.bind(performance);

/** Milliseconds after which a handle that is still open counts as leaked. */
const closeTimeout = 10_000;

/** The fixtures of this test file. */
const fixtures: Fixture[] = [];
let handlesBefore = 0;

/**
 * A fixture for the tests of the current file or `describe` block. After each test it closes all
 * that it opened, and fails the test if a handle of the network is still open.
 */
export function useFixture(...[kind, options]: FixtureArguments): Fixture {
  const fixture = new Fixture(kind, options);
  fixtures.push(fixture);
  beforeEach(() => {
    handlesBefore = networkHandles();
  });
  afterEach(async () => {
    for (const each of fixtures) await each.release();
    const deadline = now() + closeTimeout;
    while (networkHandles() > handlesBefore && now() < deadline) await turn();
    expect(networkHandles(), 'network handles that the test left open').toBeLessThanOrEqual(handlesBefore);
  });
  return fixture;
}

/** Opens connections, sockets, queues and servers, and closes them all. */
export class Fixture {
  readonly #kind: SocketKind;
  readonly #cipher: CipherChoice;
  readonly #cleanups: (() => unknown)[] = [];
  #folder: string | undefined;
  #paths = 0;

  constructor(...[kind = 'plain in memory', { cipher = 'auto' } = {}]: FixtureArguments) {
    this.#kind = kind;
    this.#cipher = cipher;
  }

  /** Adds a cleanup. The last one that is added runs first. */
  onCleanup(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** Closes all that is open. A test calls it only to check what remains after that. */
  async release(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  /** Closes the socket after the test. */
  keep<S extends LockedSocket | QueueSocket>(socket: S): S {
    this.onCleanup(() => socket.close(undefined, { timeout: 0 }));
    return socket;
  }

  /** A temporary folder. */
  async folder(): Promise<string> {
    if (this.#folder === undefined) {
      const folder = await mkdtemp(join(tmpdir(), 'k4net-spec-'));
      this.#folder = folder;
      this.onCleanup(async () => {
        this.#folder = undefined;
        await rm(folder, { recursive: true, force: true });
      });
    }
    return this.#folder;
  }

  /** An unused path for a Unix socket. */
  async socketPath(): Promise<string> {
    this.#paths += 1;
    return join(await this.folder(), `socket-${this.#paths}`);
  }

  /** An unused address to listen on. */
  async listenAddress(carrier: Listening): Promise<{ port: number } | { path: string }> {
    return carrier === 'TCP' ? { port: 0 } : { path: await this.socketPath() };
  }

  /** Two connected TCP streams. */
  async tcpStreams(): Promise<{ near: Socket; far: Socket }> {
    return this.streams(tcpPair);
  }

  /** Two connected streams, such as `unixPair` opens. */
  async streams<S extends StreamPair>(open: () => Promise<S>): Promise<Pick<S, 'near' | 'far'>> {
    const { near, far, dispose } = await open();
    this.onCleanup(dispose);
    for (const stream of [near, far]) stream.on('error', () => undefined);
    return { near, far };
  }

  /** Two connected sockets of the kind of this fixture; the handshake of encrypted ones is done. */
  async socketPair(near: LockedSocketOptions = {}, far: LockedSocketOptions = {}): Promise<SocketPair> {
    const ends = await this.#connection();
    const pair = {
      near: this.socketOver(ends.near, 'client', near),
      far: this.socketOver(ends.far, 'server', far),
    };
    if (pair.near instanceof EncryptedSocket && pair.far instanceof EncryptedSocket) {
      await Promise.all([pair.near.handshake(), pair.far.handshake()]);
    }
    return { ...pair, cut: ends.cut };
  }

  /** A socket of the kind of this fixture over one end of a connection. */
  socketOver(end: Carrier, side: 'client' | 'server', options: LockedSocketOptions = {}): LockedSocket {
    if (this.#kind.startsWith('plain')) return this.keep(new LockedSocket(end, options));
    const cipher = this.#cipher;
    return this.keep(
      side === 'server'
        ? new EncryptedSocket(end, { ...options, cipher, isServer: true, key: keys.server })
        : new EncryptedSocket(end, { ...options, cipher, key: keys.server.publicKey }),
    );
  }

  /** Two connected queue sockets that are not started. */
  async queuePair({ near, far, sockets }: QueuePairOptions = {}): Promise<QueuePair> {
    const pair = await this.socketPair(sockets, sockets);
    return {
      near: new QueueSocket(pair.near, near),
      far: new QueueSocket(pair.far, far),
      nearSocket: pair.near,
      farSocket: pair.far,
      cut: pair.cut,
    };
  }

  /** Two connected queue sockets that are started. */
  async startedQueuePair(options?: QueuePairOptions): Promise<QueuePair> {
    const pair = await this.queuePair(options);
    pair.near.start();
    pair.far.start();
    return pair;
  }

  /** A queue socket that is not started, and the socket at the other end. */
  async queueWithPeer(
    options?: QueueSocketOptions,
    sockets?: LockedSocketOptions,
  ): Promise<{ queue: QueueSocket; peer: LockedSocket; cut: () => void }> {
    const { near, far, cut } = await this.socketPair(sockets, sockets);
    return { queue: new QueueSocket(near, options), peer: far, cut };
  }

  /** An encrypted client and an encrypted server that have not begun the handshake. */
  async encryptedPair(
    wire: Wire,
    client: EncryptedClientOptions = { key: keys.server.publicKey },
    server: Partial<EncryptedServerOptions> = {},
  ): Promise<{ client: EncryptedSocket; server: EncryptedSocket }> {
    const { near, far } = wire === 'TCP' ? await this.tcpStreams() : inMemory();
    const key = 'keyPath' in server ? {} : { key: keys.server };
    return {
      client: this.keep(new EncryptedSocket(near, client)),
      server: this.keep(new EncryptedSocket(far, { ...key, ...server, isServer: true })),
    };
  }

  /** An encrypted client and an encrypted server that have finished the handshake. */
  async establishedPair(
    ...options: Parameters<Fixture['encryptedPair']>
  ): ReturnType<Fixture['encryptedPair']> {
    const pair = await this.encryptedPair(...options);
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    return pair;
  }

  /** A plain server. */
  async plainServer(options: Omit<PlainListenOptions, 'plain'> = { port: 0 }): Promise<Server> {
    const server = await listen({ plain: true, ...options });
    this.onCleanup(() => server.close({ timeout: 0 }));
    return server;
  }

  /** A plain client of a server. */
  async connectTo(server: Server, options: Partial<PlainConnectOptions> = {}): Promise<LockedSocket> {
    return this.keep(await connect({ plain: true, ...server.address(), ...options }));
  }

  /** Plain clients in the order in which the server accepts them. */
  async connectClients(server: Server, count: number): Promise<LockedSocket[]> {
    const sockets: LockedSocket[] = [];
    for (let i = 0; i < count; i += 1) {
      const before = server.connections;
      sockets.push(await this.connectTo(server));
      await until(() => server.connections > before);
    }
    return sockets;
  }

  /** An encrypted server over TCP that sends every message back, and the errors that it reports. */
  async echoServer(
    options: Partial<EncryptedListenOptions> = {},
  ): Promise<{ server: Server<EstablishedSocket>; port: number; errors: unknown[] }> {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const server = await listen({ port: 0, key: keys.server, onError, ...options });
    this.onCleanup(() => server.close({ timeout: 0 }));
    void server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
    return { server, port: (server.address() as { port: number }).port, errors };
  }

  /** An encrypted client that connects without retries. */
  async connectOnce(options: EncryptedConnectOptions): Promise<EstablishedSocket> {
    return this.keep(await connect({ retry: false, ...options }));
  }

  /** A relay between clients and a port. */
  async relay(port: number, meddle?: Meddle): Promise<Relay> {
    const relay = new Relay(port, meddle);
    await relay.listen();
    this.onCleanup(() => relay.close());
    return relay;
  }

  /** A TCP server that hands every stream to the test. */
  async rawServer(onStream: (stream: Socket) => unknown): Promise<{ port: number; count: () => number }> {
    const streams: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (stream) => {
      streams.push(stream);
      stream.on('error', () => undefined);
      onStream(stream);
    });
    const port = await listening(server, { port: 0, host: '127.0.0.1' });
    this.onCleanup(async () => {
      for (const stream of streams) stream.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return { port, count: () => streams.length };
  }

  /** A TCP stream to a port of this machine. */
  async rawClient(port: number): Promise<Socket> {
    const raw = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    raw.on('error', () => undefined);
    this.onCleanup(() => raw.destroy());
    await once(raw, 'connect');
    return raw;
  }

  async #connection(): Promise<Connection> {
    const medium = this.#kind.replace(/^\w+ /, '') as Medium;
    const connection = await media[medium]();
    if (connection.dispose) this.onCleanup(connection.dispose);
    return connection;
  }
}

const handleKinds = ['TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap', 'PipeServerWrap', 'PipeConnectWrap'];

/** Handles of the network that keep this process alive. */
export function networkHandles(): number {
  return process.getActiveResourcesInfo().filter((kind) => handleKinds.includes(kind)).length;
}
