import { describe, expect, it } from 'vitest';
import { PeerAlertError, type K4netErrorCode } from '../../lib/errors.js';
import { connect, type ConnectOptions } from '../../lib/net/connect.js';
import { listen, type ListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { reasonOf, textOf } from '../support/sockets.js';

const fixture = useFixture();

interface Kind {
  readonly name: string;
  readonly server: () => Promise<Partial<ListenOptions>>;
  readonly client: Partial<ConnectOptions>;
  /** How the client notices that the handler has failed. */
  readonly code: K4netErrorCode;
}

const encrypted = (cipher: 'node' | 'webcrypto'): Kind => ({
  name: `encrypted TCP (${cipher})`,
  server: () => Promise.resolve({ port: 0, key: keys.server, cipher }),
  client: { key: keys.server.publicKey, cipher },
  code: 'K4NET_PEER_ALERT',
});

const kinds: readonly Kind[] = [
  {
    name: 'plain TCP',
    server: () => Promise.resolve({ port: 0, plain: true }),
    client: { plain: true },
    code: 'K4NET_CONNECTION',
  },
  {
    name: 'a plain Unix socket',
    server: async () => ({ path: await fixture.socketPath(), plain: true }),
    client: { plain: true },
    code: 'K4NET_TRUNCATED',
  },
  encrypted('node'),
  encrypted('webcrypto'),
];

const rows = Array.from({ length: 100 }, (_, nth) => `row ${nth}`);
const half = rows.slice(0, 50);

interface Served {
  readonly server: Server;
  readonly serving: Promise<void>;
  readonly reports: [unknown, LockedSocket | undefined][];
}

async function serve(kind: Kind, handler: (sock: LockedSocket) => unknown): Promise<Served> {
  const reports: Served['reports'] = [];
  const onError = (error: unknown, sock?: LockedSocket): void => void reports.push([error, sock]);
  const server = await listen({ ...(await kind.server()), onError } as ListenOptions);
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  return { server, serving: server.serve(handler), reports };
}

async function dial(kind: Kind, server: Server): Promise<LockedSocket> {
  return fixture.keep(await connect({ ...server.address(), ...kind.client, retry: false } as never));
}

/** The messages and the error of a loop. */
async function looped(messages: AsyncIterable<Uint8Array>): Promise<[string[], unknown]> {
  const received: string[] = [];
  const loop = async (): Promise<void> => {
    for await (const message of messages) received.push(textOf(message));
  };
  return [received, await reasonOf(loop())];
}

describe.each(kinds)('a handler of serve that throws, over $name', (kind) => {
  it('makes the loop of its client throw after the messages that it has sent', async () => {
    const failure = new Error('the database is gone');
    let far: LockedSocket | undefined;
    const { server, serving, reports } = await serve(kind, async (sock) => {
      far = sock;
      for (const row of half) await sock.send(row);
      throw failure;
    });
    const near = await dial(kind, server);
    const [received, reason] = await looped(near);
    expect(received).toEqual(half);
    expect(reason).toMatchObject({ code: kind.code });
    if (kind.code === 'K4NET_PEER_ALERT') {
      expect(reason).toBeInstanceOf(PeerAlertError);
      expect(reason).toMatchObject({ alert: 13, authenticated: true, text: 'internal' });
    }
    expect(await far!.closed).toMatchObject({
      code: 'K4NET_ABORTED',
      error: { code: 'K4NET_ABORTED', cause: failure },
    });
    expect(reports).toEqual([[failure, far]]);
    await near.close();
    await server.close();
    await serving;
  });

  it('makes the loop of its client throw if it throws before it sends a message', async () => {
    const { server, serving } = await serve(kind, () => {
      throw new Error('not today');
    });
    const near = await dial(kind, server);
    const [received, reason] = await looped(near);
    expect(received).toEqual([]);
    expect(reason).toMatchObject({ code: kind.code });
    await near.close();
    await server.close();
    await serving;
  });

  it('makes loops and calls over a QueueSocket reject after the messages that it has sent', async () => {
    const { server, serving, reports } = await serve(kind, async (sock) => {
      const queue = new QueueSocket(sock);
      const asked = new Promise<void>((resolve) => {
        queue.registerCallback('never answered', () => {
          resolve();
          return new Promise(() => undefined);
        });
      });
      queue.start();
      await asked;
      for (const row of half) await queue.send(row);
      throw new Error('the database is gone');
    });
    const near = new QueueSocket(await dial(kind, server));
    near.start();
    const call = reasonOf(near.call('never answered'));
    const [received, reason] = await looped(near);
    expect(received).toEqual(half);
    expect(reason).toMatchObject({ code: kind.code });
    expect(await call).toMatchObject({ code: kind.code });
    expect((await near.closed).code).toBe(kind.code);
    expect(reports).toHaveLength(1);
    await server.close();
    await serving;
  });

  it('does not affect a client whose handler closed the socket before it threw', async () => {
    const { server, serving, reports } = await serve(kind, async (sock) => {
      await sock.close('that is all');
      throw new Error('too late');
    });
    const near = await dial(kind, server);
    const received: string[] = [];
    for await (const text of near.texts()) received.push(text);
    expect(received).toEqual(['that is all']);
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    await server.close();
    await serving;
    expect(reports).toHaveLength(1);
  });
});
