import { once } from 'node:events';
import { connect as dialRaw, type NetConnectOpts, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { connect, type ConnectOptions } from '../../lib/net/connect.js';
import { listen, type ListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { Deferred } from '../../lib/util/wait.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { SocketSpy } from '../support/socket-spy.js';
import { receiveAll, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

interface Kind {
  readonly name: string;
  readonly server: () => Promise<Partial<ListenOptions>>;
  readonly client: Partial<ConnectOptions>;
}

const kinds: readonly Kind[] = [
  {
    name: 'plain TCP',
    server: () => Promise.resolve({ port: 0, plain: true }),
    client: { plain: true },
  },
  {
    name: 'a plain Unix socket',
    server: async () => ({ path: await fixture.socketPath(), plain: true }),
    client: { plain: true },
  },
  {
    name: 'encrypted TCP',
    server: () => Promise.resolve({ port: 0, key: keys.server }),
    client: { key: keys.server.publicKey },
  },
];

const places = 3;

/** A server whose only handler runs until it is released. */
async function busy(kind: Kind) {
  const reports: unknown[] = [];
  const onError = (error: unknown): void => void reports.push(error);
  const options = { ...(await kind.server()), maxPending: places, onError };
  const server = await listen(options as ListenOptions);
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  const free = new Deferred<void>();
  const served: string[][] = [];
  let first = true;
  const serving = server.serve(
    async (sock) => {
      if (first) {
        first = false;
        await free.promise;
      } else {
        served.push((await receiveAll(sock)).map(textOf));
      }
    },
    { maxConnections: 1 },
  );
  const clients = async (count: number): Promise<LockedSocket[]> => {
    const sockets: LockedSocket[] = [];
    for (let nth = 0; nth < count; nth += 1) {
      const before = server.connections;
      const options = { ...server.address(), ...kind.client, retry: false } as never;
      sockets.push(fixture.keep(await connect(options)));
      await until(() => server.connections > before);
    }
    return sockets;
  };
  // This client occupies the handler.
  const [holder] = await clients(1);
  const release = (): void => {
    free.resolve();
    void holder!.close();
  };
  const finish = async (): Promise<void> => {
    release();
    await server.close({ timeout: 0 });
    await serving;
  };
  const turnedAway = (): unknown[] => reports.filter((error) => K4netError.is(error, 'K4NET_BUSY'));
  return { server, clients, release, served, turnedAway, finish };
}

describe.each(kinds)('a client that waits for a handler, over $name,', (kind) => {
  it('frees its place for the next client when it closes', async () => {
    const { server, clients, release, served, turnedAway, finish } = await busy(kind);
    for (let round = 0; round < 3; round += 1) {
      const gone = await clients(places);
      await Promise.all(gone.map((sock) => sock.close()));
      await until(() => server.connections === 1);
    }
    const next = await clients(places);
    await Promise.all(next.map((sock, nth) => sock.send(`${nth}`)));
    release();
    await Promise.all(next.map((sock) => sock.end()));
    await until(() => served.length === places);
    expect(served).toEqual([['0'], ['1'], ['2']]);
    expect(turnedAway()).toEqual([]);
    await Promise.all(next.map((sock) => sock.close()));
    await finish();
  });

  it('frees its place when it breaks the connection, with or without messages', async () => {
    const { server, clients, turnedAway, finish } = await busy(kind);
    const gone = await clients(places);
    await Promise.all(gone.map((sock) => sock.send('to whom it may concern')));
    await Promise.all(gone.map((sock) => sock.flush()));
    await Promise.all(gone.map((sock) => sock.abort()));
    await until(() => server.connections === 1);
    expect(await clients(places)).toHaveLength(places);
    expect(turnedAway()).toEqual([]);
    await finish();
  });

  it('is still served if it has sent messages and half-closed', async () => {
    const { clients, release, served, finish } = await busy(kind);
    const [one, two] = await clients(2);
    await one!.send('fire');
    await one!.send('and forget');
    await one!.end();
    const closing = two!.close('just this');
    // Both are read before the handler is free: the third comes after them.
    const [third] = await clients(1);
    await third!.close();
    release();
    await until(() => served.length === 2);
    expect(served).toEqual([['fire', 'and forget'], ['just this']]);
    await Promise.all([one!.close(), closing]);
    await finish();
  });
});

describe('a raw client that waits for a handler', () => {
  async function raw(server: Server): Promise<Socket> {
    const before = server.connections;
    const stream = dialRaw(server.address() as NetConnectOpts);
    stream.on('error', () => undefined);
    fixture.onCleanup(() => stream.destroy());
    await once(stream, 'connect');
    await until(() => server.connections > before);
    return stream;
  }

  it('frees its place when it ends inside a message', async () => {
    const { server, clients, finish } = await busy(kinds[0]!);
    for (let nth = 0; nth < places; nth += 1) (await raw(server)).end(Uint8Array.of(9, 0, 0, 0, 1));
    await until(() => server.connections === 1);
    expect(await clients(places)).toHaveLength(places);
    await finish();
  });

  it('frees its place when it resets, with or without messages', async () => {
    const { server, clients, finish } = await busy(kinds[0]!);
    const spy = new SocketSpy('server', fixture);
    const streams = [await raw(server), await raw(server), await raw(server)];
    streams[0]!.write(Uint8Array.of(1, 0, 0, 0, 65));
    await until(() => spy.sockets[0]?.bytesRead === 5);
    for (const stream of streams) stream.resetAndDestroy();
    await until(() => server.connections === 1);
    expect(await clients(places)).toHaveLength(places);
    await finish();
  });
});

describe('thousands of clients that wait and leave', () => {
  it('free their places for other clients', async () => {
    const server = await fixture.plainServer({ port: 0, maxPending: Infinity });
    const sockets: LockedSocket[] = [];
    // As many at the same time as the backlog of the system holds.
    for (let batch = 0; batch < 10; batch += 1) {
      const dialled = Array.from({ length: 100 }, () => fixture.connectTo(server, { retry: false }));
      sockets.push(...(await Promise.all(dialled)));
    }
    await until(() => server.connections === sockets.length);
    await Promise.all(sockets.map((sock) => sock.close()));
    await until(() => server.connections === 0);
  });
});
