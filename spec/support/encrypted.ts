import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { expect } from 'vitest';
import type { KeyPair } from '../../lib/crypto/key-pair.js';
import { K4netError } from '../../lib/errors.js';
import type {
  EncryptedClientOptions,
  EncryptedServerOptions,
} from '../../lib/sockets/encrypted-socket-options.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { keyPair } from '../session/vectors.js';
import { listening, tcpPair } from './streams.js';

/** The keys of the test vectors: nobody has to wait for new ones. */
export const keys: Readonly<Record<'server' | 'other' | 'ec' | 'rsa', KeyPair>> = {
  server: await keyPair('server2048'),
  other: await keyPair('reference2048'),
  ec: await keyPair('clientEc'),
  rsa: await keyPair('clientRsa2048'),
};

/** What joins the two sockets of a pair. */
export type Wire = 'memory' | 'TCP';
export const wires: readonly Wire[] = ['memory', 'TCP'];

/** Both ends of one connection, and whatever else is to go when a test is over. */
export class Ends {
  readonly #undo: (() => unknown)[] = [];

  onClear(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  async clear(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  keep<S extends EncryptedSocket>(socket: S): S {
    this.onClear(() => socket.close(undefined, { timeout: 0 }));
    return socket;
  }

  /** Two raw streams joined to each other. */
  async tcp(): Promise<{ near: Socket; far: Socket }> {
    const { near, far, dispose } = await tcpPair();
    this.onClear(dispose);
    for (const stream of [near, far]) stream.on('error', () => undefined);
    return { near, far };
  }

  /** A client and a server that have not shaken hands. */
  async pair(
    wire: Wire,
    client: EncryptedClientOptions = { key: keys.server.publicKey },
    server: Partial<EncryptedServerOptions> = {},
  ): Promise<{ client: EncryptedSocket; server: EncryptedSocket }> {
    const { near, far } = wire === 'TCP' ? await this.tcp() : memory();
    return {
      client: this.keep(new EncryptedSocket(near, client)),
      server: this.keep(
        new EncryptedSocket(far, {
          ...(!('keyPath' in server) && { key: keys.server }),
          ...server,
          isServer: true,
        }),
      ),
    };
  }

  /** A client and a server that have. */
  async shaken(...options: Parameters<Ends['pair']>): ReturnType<Ends['pair']> {
    const pair = await this.pair(...options);
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    return pair;
  }

  /** A relay before the port, which is closed with everything else. */
  async relay(port: number, meddle?: Meddle): Promise<Relay> {
    const relay = new Relay(port, meddle);
    await relay.listen();
    this.onClear(() => relay.close());
    return relay;
  }
}

function memory() {
  const [near, far] = memoryPair();
  return { near, far };
}

/** Which way a unit goes. */
export type Way = 'up' | 'down';
/** What becomes of a unit: the bytes that go on, or what is done to the connection instead. */
export type Fate = readonly Uint8Array[] | 'end' | 'reset';
/** Decides about the nth unit (with its length) of one direction; `send` puts bytes into the other direction. */
export type Meddle = (unit: Buffer, way: Way, nth: number, back: (bytes: Uint8Array) => void) => Fate;

/** Somebody in the middle, who sees where units begin and end. */
export class Relay {
  port = 0;
  /** Connections that came in. */
  connections = 0;
  /** Units that have gone each way. */
  readonly units: Record<Way, number> = { up: 0, down: 0 };
  readonly #server: Server;
  readonly #streams = new Set<Socket>();
  readonly #meddle: Meddle;

  constructor(target: number, meddle: Meddle = (unit) => [unit]) {
    this.#meddle = meddle;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.connections += 1;
      const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
      this.#pipe(client, server, 'up');
      this.#pipe(server, client, 'down');
    });
  }

  async listen(): Promise<void> {
    this.port = await listening(this.#server, { port: 0, host: '127.0.0.1' });
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Ends both directions of all connections as an impostor would: with an end of stream. */
  endAll(): void {
    for (const stream of this.#streams) stream.end();
  }

  #pipe(from: Socket, to: Socket, way: Way): void {
    this.#streams.add(from);
    from.setNoDelay(true);
    let rest = Buffer.alloc(0);
    let over = false;
    const say = (bytes: Uint8Array): void => {
      if (to.writable) to.write(bytes);
    };
    from.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (!over && rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
        const unit = rest.subarray(0, 4 + rest.readUInt32LE(0));
        rest = rest.subarray(unit.length);
        const nth = this.units[way];
        this.units[way] += 1;
        const fate = this.#meddle(Buffer.from(unit), way, nth, (bytes) => {
          if (from.writable) from.write(bytes);
        });
        if (fate === 'end') {
          over = true;
          to.end();
        } else if (fate === 'reset') {
          over = true;
          to.resetAndDestroy();
          from.resetAndDestroy();
        } else {
          for (const bytes of fate) say(bytes);
        }
      }
    });
    from.on('end', () => {
      if (!over && rest.length > 0) say(rest);
      to.end();
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#streams.delete(from);
      if (from.errored) to.destroy();
    });
  }
}

/** A server of raw streams: what it does with each is up to the test. */
export async function rawServer(
  ends: Ends,
  onStream: (stream: Socket) => unknown,
): Promise<{ port: number; count: () => number }> {
  let count = 0;
  const streams = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    count += 1;
    streams.add(stream);
    stream.on('error', () => undefined);
    onStream(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.onClear(async () => {
    for (const stream of streams) stream.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, count: () => count };
}

/** A raw client of that port. */
export async function rawClient(ends: Ends, port: number): Promise<Socket> {
  const raw = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  raw.on('error', () => undefined);
  ends.onClear(() => raw.destroy());
  await once(raw, 'connect');
  return raw;
}

const windowLength = 24;
const runLength = 8;

function* windows(text: string): Generator<string> {
  for (let i = 0; i + windowLength <= text.length; i += 1) yield text.slice(i, i + windowLength);
}

const base64Of = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '');

/** Every stretch of the private halves that is not one of the public halves too. */
const secrets: ReadonlySet<string> = (() => {
  const found = new Set<string>();
  const open = new Set<string>();
  const add = (set: Set<string>, pem: string): void => {
    const base64 = base64Of(pem);
    const der = Buffer.from(base64, 'base64');
    for (const window of windows(base64)) set.add(window);
    for (const window of windows(der.toString('hex'))) set.add(window);
    for (let i = 0; i + runLength <= der.length; i += 1) set.add([...der.subarray(i, i + runLength)].join());
  };
  for (const pair of Object.values(keys)) add(found, pair.toPem());
  for (const pair of Object.values(keys)) add(open, pair.publicKey.toPem());
  for (const window of open) found.delete(window);
  return found;
})();

/** Whether a text has a stretch of one of the test's private keys in it: PEM, hexadecimal or numbers. */
export function betrays(text: string): boolean {
  const dense = text.replace(/\s/g, '');
  for (const window of windows(dense)) if (secrets.has(window)) return true;
  for (const [run] of dense.matchAll(/(?:\d{1,3},){7,}\d{1,3}/g)) {
    const numbers = run.split(',');
    for (let i = 0; i + runLength <= numbers.length; i += 1) {
      if (secrets.has(numbers.slice(i, i + runLength).join())) return true;
    }
  }
  return false;
}

/** Expects that nothing that prints a value prints a private key. */
export function expectDiscreet(value: unknown): void {
  const shown = inspect(value, { showHidden: true, depth: 10, maxArrayLength: null, maxStringLength: null });
  expect(betrays(shown)).toBe(false);
  const cyclic = new WeakSet();
  const json = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== 'object' || each === null) return typeof each === 'bigint' ? String(each) : each;
    if (cyclic.has(each)) return undefined;
    cyclic.add(each);
    return each;
  }) as string | undefined;
  expect(betrays(json ?? '')).toBe(false);
  if (value instanceof Error) {
    expect(betrays(`${value.message} ${value.stack ?? ''}`)).toBe(false);
    if (value.cause !== undefined) expectDiscreet(value.cause);
  }
}

/** Expects a k4net error of one of these codes that keeps the private keys to itself, and gives it. */
export async function refused(promise: Promise<unknown>, ...codes: readonly string[]): Promise<K4netError> {
  const reason: unknown = await promise.then(
    () => expect.fail('it should have been rejected'),
    (error: unknown) => error,
  );
  expect(K4netError.is(reason), `${String(reason)} is no error of the library`).toBe(true);
  const error = reason as K4netError;
  if (codes.length > 0) expect(codes, error.message).toContain(error.code);
  expectDiscreet(error);
  return error;
}

/** How a promise came to its end: its value's place taken by `ok`, or the code of the error. */
export function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (reason: unknown) => {
      if (!K4netError.is(reason)) return `untyped: ${String(reason)}`;
      expectDiscreet(reason);
      return reason.code;
    },
  );
}
