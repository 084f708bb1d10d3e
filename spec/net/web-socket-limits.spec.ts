import { once } from 'node:events';
import { connect as dialTcp, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { UpgradeRequestLike, WebSocketListenOptions } from '../../lib/net/web-socket-source.js';
import type { Server } from '../../lib/net/server.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, textOf, until } from '../support/sockets.js';

const fixture = useFixture();
const key = keys.server.publicKey;

interface Guarded {
  readonly server: Server<EstablishedSocket>;
  readonly url: string;
  readonly errors: { code?: string; message: string }[];
}

/** An encrypted server for WebSockets that echoes. */
async function guarded(
  options: Partial<EncryptedListenOptions> = {},
  webSocket: Partial<WebSocketListenOptions> = {},
): Promise<Guarded> {
  const errors: Guarded['errors'] = [];
  const onError = (error: unknown): void => void errors.push(error as Error);
  const server = await listen({
    key: keys.server,
    onError,
    webSocket: { port: 0, ...webSocket },
    ...options,
  });
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  void server.serve(async (sock) => {
    for await (const message of sock) await sock.send(message);
  });
  return { server, url: server.urls[0]!, errors };
}

/** An open WebSocket without k4net, and what it hears. */
async function bare(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ socket: WebSocket; heard: string[] }> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  const heard: string[] = [];
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => heard.push(data.toString('hex')));
  fixture.onCleanup(() => {
    socket.terminate();
  });
  await once(socket, 'open');
  return { socket, heard };
}

/** The server still serves others. */
async function stillServes(url: string): Promise<void> {
  const near = fixture.keep(await connect(url, { key }));
  await near.send('still here');
  expect(textOf(await near.recv())).toBe('still here');
  await near.close();
}

const forwarded = (request: UpgradeRequestLike): string =>
  String(request.headers['x-forwarded-for'] ?? 'unknown');

describe('a hostile WebSocket client', () => {
  it('that never sends loses its slot to the next one', async () => {
    const { url, server, errors } = await guarded({ maxHandshakes: 2 });
    const silent = [await bare(url), await bare(url)];
    await stillServes(url);
    await until(() => silent[0]!.socket.readyState === WebSocket.CLOSED);
    expect(errors).toMatchObject([{ code: 'K4NET_BUSY' }]);
    expect(silent[1]!.socket.readyState).toBe(WebSocket.OPEN);
    await until(() => server.connections === 1);
  });

  it('that never sends is cut after handshakeTimeout', async () => {
    const { url, errors } = await guarded({ handshakeTimeout: 50 });
    const { socket } = await bare(url);
    await once(socket, 'close');
    expect(errors).toMatchObject([{ code: 'K4NET_TIMEOUT' }]);
  });

  it.each<[string, (socket: WebSocket, raw: Socket) => unknown]>([
    [
      'text',
      (socket) => {
        socket.send('hello');
      },
    ],
    [
      'an empty message',
      (socket) => {
        socket.send(new Uint8Array());
      },
    ],
    [
      'a message over the limit of the carrier',
      (socket) => {
        socket.send(new Uint8Array(1024 * 1024 + 2));
      },
    ],
    [
      'more data than its credit',
      (socket) => {
        socket.send(new Uint8Array(65_538));
      },
    ],
    [
      'a message of 2000 fragments',
      (_, raw) => {
        const fragment = (first: number): Buffer => Buffer.from([first, 0x81, 0, 0, 0, 0, 0]);
        raw.write(Buffer.concat([fragment(0x02), ...Array.from({ length: 2000 }, () => fragment(0))]));
      },
    ],
    ['a frame that is none', (_, raw) => raw.write('no frame at all')],
    ['no close frame', (_, raw) => raw.destroy()],
  ])('that sends %s is cut, and nobody else', async (_, attack) => {
    const { url, server, errors } = await guarded();
    const { socket } = await bare(url);
    attack(socket, (socket as unknown as { _socket: Socket })._socket);
    await until(() => errors.length > 0);
    await until(() => server.connections === 0);
    await stillServes(url);
    expect(errors).toHaveLength(1);
    expect(errors[0]!.code).not.toBe('K4NET_TIMEOUT');
  });

  it('that sends pings and reads no answer is cut before the answers take memory', async () => {
    const { url, server, errors } = await guarded();
    const { socket } = await bare(url);
    const raw = (socket as unknown as { _socket: Socket })._socket;
    const gone = new Promise((resolve) => raw.on('close', resolve));
    raw.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
    for (let sent = 0; sent < 64 && errors.length === 0; sent += 1) {
      await Promise.race([new Promise((resolve) => raw.write(flood, resolve)), gone]);
    }
    await until(() => errors.length > 0);
    expect(errors).toMatchObject([{ code: 'K4NET_CONNECTION' }]);
    await until(() => server.connections === 0);
    await stillServes(url);
  });

  it('cannot choose its address while the option address is off', async () => {
    // All come from this machine, which has no limit per address.
    const { url, server } = await guarded({ maxHandshakesPerAddress: 1 });
    for (let nth = 0; nth < 3; nth += 1) await bare(url, { 'x-forwarded-for': '192.0.2.1' });
    await until(() => server.connections === 3);
  });

  it('is limited by the address that the option finds', async () => {
    const { url, server, errors } = await guarded({ maxHandshakesPerAddress: 1 }, { address: forwarded });
    const first = await bare(url, { 'x-forwarded-for': '192.0.2.1' });
    const other = await bare(url, { 'x-forwarded-for': '192.0.2.2' });
    await bare(url, { 'x-forwarded-for': '192.0.2.1' });
    await once(first.socket, 'close');
    expect(other.socket.readyState).toBe(WebSocket.OPEN);
    expect(errors).toMatchObject([{ code: 'K4NET_BUSY' }]);
    await until(() => server.connections === 2);
  });

  it('has the address that the option finds as its remoteAddress', async () => {
    const server = await listen({ plain: true, webSocket: { port: 0, address: forwarded } });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    await bare(server.urls[0]!, { 'x-forwarded-for': '192.0.2.7' });
    const { value } = await server[Symbol.asyncIterator]().next();
    expect(value?.remoteAddress).toBe('192.0.2.7');
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no such header');
      },
      /no such header/,
    ],
    ['returns nothing', () => undefined, /must return the address of the client, not undefined/],
    ['returns an empty string', () => '', /not an empty string/],
    ['rejects', () => Promise.reject(new Error('unhandled')), /must return the address of the client/],
  ])('is refused if the option address %s', async (_, address, message) => {
    const { url, errors, server } = await guarded({}, { address: address as () => string });
    await expect(bare(url)).rejects.toThrow('400');
    await until(() => errors.length > 0);
    expect(errors[0]!.message).toMatch(message);
    expect(server.connections).toBe(0);
  });

  it('gets the alert busy if the server has no room', async () => {
    const server = await listen({
      key: keys.server,
      maxPending: 1,
      webSocket: { port: 0 },
      onError: () => undefined,
    });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const [url] = server.urls;
    fixture.keep(await connect(url!, { key }));
    await until(() => server.connections === 1);
    const error = await failure(connect(url!, { key, retry: false }), 'K4NET_PEER_ALERT');
    expect(error).toMatchObject({ alert: 10 });
  });

  it('that floods requests without an upgrade keeps no more than 256 connections', async () => {
    const { url } = await guarded();
    const { port } = new URL(url);
    const floods = Array.from({ length: 300 }, () => {
      const socket = dialTcp({ port: Number(port), host: '127.0.0.1' });
      socket.on('error', () => undefined);
      fixture.onCleanup(() => socket.destroy());
      return socket;
    });
    await until(() => floods.filter((socket) => socket.closed).length === 300 - 256);
    await stillServes(url);
  });
});

describe('a crowd of WebSockets', () => {
  it('of 1000 encrypted clients is served within the limits', async () => {
    const { url, server, errors } = await guarded({ maxHandshakes: 32, maxPending: 64 });
    const retry = { retries: Infinity, minDelay: 20, maxDelay: 200 };
    const clients = Array.from({ length: 1000 }, async (_, nth) => {
      const near = await connect(url, { key, retry, timeout: Infinity, handshakeTimeout: Infinity });
      await near.send(`${nth}`);
      const answer = textOf(await near.recv());
      await near.close();
      return answer;
    });
    expect(await Promise.all(clients)).toEqual(Array.from({ length: 1000 }, (_, nth) => `${nth}`));
    expect(errors.filter(({ code }) => code !== 'K4NET_BUSY')).toEqual([]);
    await until(() => server.connections === 0);
  }, 60_000);

  it('is cut in the middle by close, and every client sees it', async () => {
    const { url, server } = await guarded();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(url, { key })));
    const dialling = Array.from({ length: 20 }, () => connect(url, { key, retry: false }));
    const outcomes = Promise.allSettled(dialling);
    await server.close({ timeout: 0 });
    for (const near of clients) expect((await near.closed).code).not.toBe('K4NET_CLOSED');
    for (const each of await outcomes) {
      if (each.status === 'fulfilled') await each.value.closed;
      else expect(each.reason).toHaveProperty('code');
    }
    await failure(connect(url, { key, retry: false }), 'K4NET_CONNECT');
  });
});
