import { connect as rawConnect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { TcpListener } from '../../lib/net/tcp-listener.js';
import { HandshakeLimits } from '../../lib/net/handshake-limits.js';
import { Server, type ServerCloseOptions } from '../../lib/net/server.js';
import type { ServerParts } from '../../lib/net/server-parts.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { needDist, run } from '../support/dist.js';
import { turns } from '../support/recorder.js';
import { takeWarnings } from '../support/warnings.js';
import { carriers, networkHandles, useFixture } from '../support/fixture.js';
import { failure, reasonOf, receiveAll, textOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

afterEach(() => {
  vi.useRealTimers();
});

/** An accepted connection, with both its ends. */
async function accepted(server: Server): Promise<{ near: LockedSocket; far: LockedSocket }> {
  const taking = server[Symbol.asyncIterator]().next();
  const near = await fixture.connectTo(server);
  const { value: far } = await taking;
  return { near, far: fixture.keep(far!) };
}

/**
 * The errors of a client that the server refuses: the reset can arrive before the client is
 * connected.
 */
async function turnedAway(server: Server): Promise<K4netError> {
  const talk = async (): Promise<unknown> => (await fixture.connectTo(server, { retry: false })).recv();
  const reason = await reasonOf(talk());
  expect(reason).toBeInstanceOf(K4netError);
  return reason as K4netError;
}

describe.each(carriers)('a loop over a server on %s', (carrier) => {
  it('yields the sockets of new connections in order, and ends when the server closes', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const names: string[] = [];
    const loop = (async () => {
      for await (const sock of server) {
        names.push(await sock.recvText());
        await sock.close();
      }
      return 'over';
    })();
    for (const name of ['a', 'b', 'c']) {
      const near = await fixture.connectTo(server);
      await near.send(name);
      expect(await receiveAll(near)).toEqual([]);
    }
    await server.close();
    expect(await loop).toBe('over');
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it('can be left and started again without losing a connection', async () => {
    const server = await fixture.plainServer(await fixture.listenAddress(carrier));
    const clients = await fixture.connectClients(server, 3);
    await Promise.all(clients.map((client, i) => client.send(`${i}`)));
    const names: string[] = [];
    for await (const sock of server) {
      names.push(await sock.recvText());
      if (names.length === 2) break;
    }
    for await (const sock of server) {
      names.push(await sock.recvText());
      break;
    }
    expect(names).toEqual(['0', '1', '2']);
    expect(server.connections).toBe(3);
  });
});

describe('several loops over one server', () => {
  it('share its connections in the order in which they waited', async () => {
    const server = await fixture.plainServer();
    const [one, other] = [server[Symbol.asyncIterator](), server[Symbol.asyncIterator]()];
    const asked = [one.next(), other.next(), one.next(), other.next()];
    const clients = await fixture.connectClients(server, 4);
    await Promise.all(clients.map((client, i) => client.send(`${i}`)));
    const sockets = (await Promise.all(asked)).map(({ value }) => value!);
    expect(await Promise.all(sockets.map((sock) => sock.recvText()))).toEqual(['0', '1', '2', '3']);
  });

  it('all end when the server closes, waiting or not', async () => {
    const server = await fixture.plainServer();
    const [one, other] = [server[Symbol.asyncIterator](), server[Symbol.asyncIterator]()];
    const asked = [one.next(), other.next(), one.next()];
    await server.close();
    for (const result of await Promise.all(asked)) expect(result).toEqual({ done: true, value: undefined });
    expect(await other.next()).toEqual({ done: true, value: undefined });
    for await (const sock of server) expect.fail(`a socket of a closed server: ${sock.readyState}`);
    await server.serve(() => expect.fail('a handler of a closed server'));
  });

  it('are iterators that follow the protocol', async () => {
    const server = await fixture.plainServer();
    const iterator = server[Symbol.asyncIterator]();
    expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
  });
});

describe('the option maxPending of listen', () => {
  it.each(carriers)(
    'bounds the connections that wait on %s; the next is refused and reported',
    async (carrier) => {
      const reports: [unknown, unknown][] = [];
      const onError = (error: unknown, sock?: LockedSocket): void => void reports.push([error, sock]);
      const server = await fixture.plainServer({
        ...(await fixture.listenAddress(carrier)),
        maxPending: 2,
        onError,
      });
      const waiting = await fixture.connectClients(server, 2);
      expect(reports).toEqual([]);
      // A Unix socket has no reset, so the client sees an end.
      const code = (await turnedAway(server)).code;
      expect(carrier === 'TCP' ? ['K4NET_CONNECT', 'K4NET_CONNECTION'] : ['K4NET_CLOSED']).toContain(code);
      expect(reports).toHaveLength(1);
      expect(K4netError.is(reports[0]![0], 'K4NET_BUSY')).toBe(true);
      expect(reports[0]![1]).toBeUndefined();
      expect(server.connections).toBe(2);
      const iterator = server[Symbol.asyncIterator]();
      const first = (await iterator.next()).value!;
      await waiting[0]!.send('unharmed');
      expect(textOf(await first.recv())).toBe('unharmed');
      await fixture.connectClients(server, 1);
      expect(server.connections).toBe(3);
      expect(reports).toHaveLength(1);
    },
  );

  it('does not count connections that are served', async () => {
    const reports: unknown[] = [];
    const onError = (error: unknown): void => void reports.push(error);
    const server = await fixture.plainServer({ port: 0, maxPending: 1, onError });
    const serving = server.serve((sock) => receiveAll(sock));
    const clients = await fixture.connectClients(server, 5);
    expect(server.connections).toBe(5);
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
    await serving;
    expect(reports).toEqual([]);
  });

  it('warns once for the process if there is no onError', async () => {
    const server = await fixture.plainServer({ port: 0, maxPending: 1 });
    await fixture.connectClients(server, 1);
    for (let i = 0; i < 3; i += 1) {
      await turnedAway(server);
    }
    expect((await takeWarnings()).map(({ code }) => code)).toEqual(['K4NET_BUSY']);
  });
});

describe('the connections property of a server', () => {
  it('counts waiting and open connections until they are gone', async () => {
    const server = await fixture.plainServer();
    expect(server.connections).toBe(0);
    const clients = await fixture.connectClients(server, 2);
    expect(server.connections).toBe(2);
    const iterator = server[Symbol.asyncIterator]();
    const sockets = [(await iterator.next()).value!, (await iterator.next()).value!];
    expect(server.connections).toBe(2);
    await Promise.all([clients[0]!.close(), sockets[0]!.close()]);
    await until(() => server.connections === 1);
    await clients[1]!.close(undefined, { timeout: 0 });
    await until(() => server.connections === 0);
  });
});

describe('closing a server', () => {
  it('does not cut a connection whose handler ends in time', async () => {
    const server = await fixture.plainServer();
    const serving = server.serve(async (sock, { signal }) => {
      await sock.send('begun');
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
      for (let i = 0; i < 100; i += 1) await sock.send(new Uint8Array(50_000));
      await sock.send('all of it');
    });
    const near = await fixture.connectTo(server);
    expect(await near.recvText()).toBe('begun');
    const closing = server.close({ timeout: Infinity });
    const messages = await receiveAll(near);
    expect(messages).toHaveLength(101);
    expect(textOf(messages.at(-1))).toBe('all of it');
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    await Promise.all([closing, serving]);
    expect(server.connections).toBe(0);
  });

  it('waits for sockets from a loop up to its timeout', async () => {
    const server = await fixture.plainServer();
    const { near, far } = await accepted(server);
    const closing = watch(server.close({ timeout: Infinity }));
    await near.send('still');
    expect(textOf(await far.recv())).toBe('still');
    await turns(50);
    expect(closing.state).toBe('pending');
    await Promise.all([near.close(), far.close()]);
    await until(() => closing.state === 'resolved');
  });

  it.each([undefined, 5_000, 60_000, 2 ** 32])(
    'cuts connections that have not ended after %s ms',
    async (timeout) => {
      const server = await fixture.plainServer();
      const { near, far } = await accepted(server);
      const received = watch(near.recv());
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const closing = watch(server.close({ timeout }));
      vi.advanceTimersByTime((timeout ?? 5_000) - 1);
      await turns(20);
      expect(closing.state).toBe('pending');
      expect(received.state).toBe('pending');
      vi.advanceTimersByTime(1);
      await until(() => closing.state === 'resolved' && received.state === 'rejected');
      expect(K4netError.is(received.reason, 'K4NET_CONNECTION')).toBe(true);
      expect((await far.closed).code).toBe('K4NET_TIMEOUT');
      expect(server.connections).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it('cuts connections at once with timeout 0, and aborts the handlers', async () => {
    const reports: unknown[] = [];
    const server = await fixture.plainServer({ port: 0, onError: (error) => void reports.push(error) });
    const serving = server.serve((sock) => sock.recv());
    const clients = await fixture.connectClients(server, 3);
    const received = clients.map((client) => failure(client.recv(), 'K4NET_CONNECTION'));
    await server.close({ timeout: 0 });
    await Promise.all([...received, serving]);
    expect(reports).toHaveLength(3);
    for (const error of reports) expect(K4netError.is(error)).toBe(true);
    expect(server.connections).toBe(0);
  });

  it('refuses new connections', async () => {
    const server = await fixture.plainServer();
    const { near, far } = await accepted(server);
    const closing = server.close({ timeout: Infinity });
    await failure(connect({ plain: true, ...server.address(), retry: false }), 'K4NET_CONNECT');
    await Promise.all([near.close(), far.close(), closing]);
  });

  it('resets connections that nobody took', async () => {
    const server = await fixture.plainServer();
    const clients = await fixture.connectClients(server, 3);
    const received = clients.map((client) => failure(client.recv(), 'K4NET_CONNECTION'));
    await server.close({ timeout: Infinity });
    await Promise.all(received);
    expect(server.connections).toBe(0);
  });

  it('happens once, however often close is called', async () => {
    const server = await fixture.plainServer();
    const { near, far } = await accepted(server);
    const calls = [
      server.close({ timeout: Infinity }),
      server.close({ timeout: 0 }),
      server.close(),
      server[Symbol.asyncDispose](),
    ];
    const states = calls.map(watch);
    await turns(20);
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['pending']));
    await near.send('not cut by the second call');
    expect(textOf(await far.recv())).toBe('not cut by the second call');
    await Promise.all([near.close(), far.close(), ...calls]);
    await server.close();
    await server.close({ timeout: 0 });
    await server[Symbol.asyncDispose]();
  });

  it('works from a handler and from a listener of its signal', async () => {
    const server = await fixture.plainServer();
    let inner: Promise<void> | undefined;
    const serving = server.serve(async (sock, { signal }) => {
      signal.addEventListener('abort', () => {
        inner = server.close();
      });
      await sock.recv();
      void server.close();
    });
    const near = await fixture.connectTo(server);
    await near.send('stop');
    expect(await receiveAll(near)).toEqual([]);
    await serving;
    await inner;
    expect(inner).toBeInstanceOf(Promise);
  });

  it.each<[string, unknown, string, RegExp]>([
    ['an unknown option', { timeut: 1 }, 'TypeError', /'timeut'/],
    ['a negative timeout', { timeout: -1 }, 'RangeError', /timeout.*-1/],
    ['a timeout that is NaN', { timeout: NaN }, 'RangeError', /timeout.*NaN/],
    ['null for options', null, 'TypeError', /null/],
  ])('rejects %s, and keeps the server running', async (_, options, name, message) => {
    const server = await fixture.plainServer();
    const reason = (await reasonOf(server.close(options as ServerCloseOptions))) as Error;
    expect(reason.name).toBe(name);
    expect(reason.message).toMatch(message);
    await accepted(server);
  });

  it('leaves no handle of the network', async () => {
    const server = await fixture.plainServer();
    const clients = await fixture.connectClients(server, 3);
    const iterator = server[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i += 1) void (await iterator.next()).value!.close();
    await fixture.connectClients(server, 1);
    const disposed = server[Symbol.asyncDispose]();
    await Promise.all(clients.map((client) => client.close()));
    await disposed;
    await fixture.release();
    await until(() => networkHandles() === 0);
  });
});

describe('the process of a server', () => {
  const program = fileURLToPath(new URL('programs/unref.mjs', import.meta.url));

  beforeAll(needDist);

  it.each(['unref', 'unref all', 'close'])('exits by itself after: %s', async (what) => {
    const { code, out, err } = await run(process.execPath, [program, what]);
    expect({ code, out, err }).toEqual({ code: 0, out: 'listening\nexit\n', err: '' });
  });

  it.each(['nothing', 'ref again'])('keeps running for its server after: %s', async (what) => {
    let asked: Promise<void> | undefined;
    const ask = async (port: number): Promise<void> => {
      await turns(200);
      const near = await connect({ plain: true, port, retry: false });
      await near.close();
    };
    const { code, out } = await run(process.execPath, [program, what], {
      onOut: (text) => {
        asked ??= ask(Number.parseInt(text, 10));
      },
    });
    await asked;
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^\d+\nexit\n$/) as string });
  });
});

describe('a server whose sockets cannot be made', () => {
  const connected = async (parts: Partial<ServerParts<LockedSocket>>): Promise<unknown[]> => {
    const errors: unknown[] = [];
    const wrap = (): never => {
      throw new Error('no socket');
    };
    const onError = (error: unknown): void => void errors.push(error);
    const listener = new TcpListener({ host: '127.0.0.1', port: 0 });
    const server = new Server([listener], { maxPending: 1, onError, wrap, ...parts });
    await server.open();
    const { port } = server.address() as { port: number };
    for (let i = 0; i < 3; i += 1) {
      const raw = rawConnect({ port, host: '127.0.0.1' });
      raw.on('error', () => undefined);
      await new Promise((resolve) => raw.on('close', resolve).resume());
    }
    expect(server.connections).toBe(0);
    await server.close();
    return errors;
  };

  it('ends the connection, reports the error and keeps running, with plain sockets', async () => {
    expect(await connected({})).toEqual(Array(3).fill(new Error('no socket')));
  });

  it('frees the handshake slot, with encrypted sockets', async () => {
    const limits = new HandshakeLimits(1, 1);
    const handshakes = { limits, run: () => Promise.resolve() };
    expect(await connected({ handshakes })).toEqual(Array(3).fill(new Error('no socket')));
    expect(limits.pending).toBe(0);
  });
});
