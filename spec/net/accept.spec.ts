import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { listen, type EncryptedListenOptions, type ListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { memoryPair } from '../../lib/transport/memory.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, textOf, until } from '../support/sockets.js';

const fixture = useFixture();

/** A server without a port, and the errors that it reports. */
async function withoutPort(options: Partial<ListenOptions>): Promise<{ server: Server; errors: unknown[] }> {
  const errors: unknown[] = [];
  const server: Server = await listen({
    webSocket: false,
    onError: (error: unknown) => void errors.push(error),
    ...options,
  } as ListenOptions);
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  return { server, errors };
}

const encrypted = (
  options: Partial<EncryptedListenOptions> = {},
): Promise<{ server: Server; errors: unknown[] }> => withoutPort({ key: keys.server, ...options });

function client(server: Server, address?: string): EncryptedSocket {
  const [near, far] = memoryPair();
  server.accept(far, address === undefined ? {} : { address });
  return fixture.keep(new EncryptedSocket(near, { key: keys.server.publicKey }));
}

/** A client that never sends its first message. */
function silent(server: Server, address?: string): LockedSocket {
  const [near, far] = memoryPair();
  server.accept(far, address === undefined ? {} : { address });
  return fixture.keep(new LockedSocket(near));
}

describe('server.accept', () => {
  it('gives a connection to serve like one from a port, after its handshake', async () => {
    const { server } = await encrypted();
    const served = server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
    const near = client(server);
    await near.send('hello');
    expect(textOf(await near.recv())).toBe('hello');
    expect(server.connections).toBe(1);
    await near.close();
    await server.close();
    await served;
  });

  it('takes a stream of Node, and a plain connection', async () => {
    const { server } = await withoutPort({ plain: true });
    const { near, far } = await fixture.tcpStreams();
    server.accept(far);
    const sock = fixture.keep(new LockedSocket(near));
    await sock.send('plain');
    const { value } = await server[Symbol.asyncIterator]().next();
    expect(textOf(await value!.recv())).toBe('plain');
    expect(value!.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('has no address and no URL', async () => {
    const { server } = await encrypted();
    expect(server.urls).toEqual([]);
    expect(() => server.address()).toThrow(/listens on no port/);
    expect(server.ref().unref()).toBe(server);
  });

  it('applies maxHandshakesPerAddress to the given address', async () => {
    const { server } = await encrypted({ maxHandshakesPerAddress: 1 });
    const one = silent(server, '192.0.2.1');
    const other = silent(server, '192.0.2.2');
    const two = silent(server, '192.0.2.1');
    expect((await one.closed).code).not.toBe('K4NET_CLOSED');
    expect([other.readyState, two.readyState]).toEqual(['open', 'open']);
  });

  it.each([
    ['maxHandshakes', { maxHandshakes: 2 }],
    ['maxPending', { maxPending: 2 }],
  ])('drops the oldest silent client over %s', async (_, options) => {
    const { server, errors } = await encrypted(options);
    const first = silent(server);
    for (let nth = 0; nth < 2; nth += 1) silent(server);
    await first.closed;
    await until(() => errors.length > 0);
    expect(K4netError.is(errors[0], 'K4NET_BUSY')).toBe(true);
    await until(() => server.connections === 2);
  });

  it('refuses a client with the alert busy if no slot is free', async () => {
    const { server, errors } = await encrypted({ maxPending: 1 });
    const first = client(server);
    await first.handshake();
    await until(() => server.connections === 1);
    const error = await failure(client(server).handshake(), 'K4NET_PEER_ALERT');
    expect(error).toMatchObject({ alert: 10 });
    expect(errors).toMatchObject([{ code: 'K4NET_BUSY' }]);
  });

  it('cuts a plain client over maxPending', async () => {
    const { server, errors } = await withoutPort({ plain: true, maxPending: 1 });
    silent(server);
    expect((await silent(server).closed).code).toBe('K4NET_CONNECTION');
    expect(errors).toMatchObject([{ code: 'K4NET_BUSY' }]);
  });

  it('cuts what comes after the server has begun to close', async () => {
    const { server } = await encrypted();
    const closed = server.close();
    expect((await silent(server).closed).code).toBe('K4NET_CONNECTION');
    await closed;
    expect((await silent(server).closed).code).toBe('K4NET_CONNECTION');
    expect(server.connections).toBe(0);
  });

  it('makes the server wait for the connection when it closes, and cut it at the timeout', async () => {
    const { server } = await encrypted();
    const taken = server[Symbol.asyncIterator]().next();
    const near = client(server);
    await near.handshake();
    await taken;
    await server.close({ timeout: 20 });
    expect((await near.closed).code).not.toBe('K4NET_CLOSED');
    expect(server.connections).toBe(0);
  });

  it.each([
    ['no carrier', [{}], /socket needs/],
    ['null', [null], /socket needs/],
    ['an unknown option', [memoryPair()[0], { adress: '' }], /adress/],
    ['an address that is no string', [memoryPair()[0], { address: 1 }], /address must be a string/],
  ])('throws a TypeError for %s', async (_, given, message) => {
    const { server } = await encrypted();
    expect(() => {
      server.accept(...(given as Parameters<Server['accept']>));
    }).toThrow(message);
    expect(server.connections).toBe(0);
  });
});
