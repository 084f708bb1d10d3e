import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect as dialTcp, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { connect } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { WebSocketSource } from '../../lib/net/web-socket-source.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { memoryKnownHosts } from '../../lib/trust/known-hosts.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, textOf, until } from '../support/sockets.js';
import { testCertificate, testKey } from '../support/test-certificate.js';

const fixture = useFixture();
const key = keys.server.publicKey;

interface Listening {
  readonly server: Server<EstablishedSocket>;
  readonly errors: unknown[];
  /** The URL of its WebSockets. */
  readonly url: string;
}

/** An encrypted server that sends every message back. */
async function echo(
  webSocket: WebSocketSource | undefined,
  options: Partial<EncryptedListenOptions> = {},
): Promise<Listening> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const server = await listen({ webSocket, key: keys.server, onError, ...options });
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  void server.serve(async (sock) => {
    for await (const message of sock) await sock.send(message);
  });
  return { server, errors, url: server.urls.find((each) => each.startsWith('ws')) ?? '' };
}

async function httpServer(server: HttpServer = createHttp()): Promise<HttpServer> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  fixture.onCleanup(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return server;
}

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

async function echoes(url: string): Promise<EstablishedSocket> {
  const near = fixture.keep(await connect(url, { key, retry: false }));
  await near.send('there');
  expect(textOf(await near.recv())).toBe('there');
  return near;
}

/** The status with which a server refuses an upgrade, or 101. */
async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  socket.on('error', () => undefined);
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => (response as IncomingMessage).statusCode ?? 0),
  ]);
  socket.terminate();
  return status;
}

describe('listen with webSocket', () => {
  it('opens a port of its own, and needs no other', async () => {
    const { server, url } = await echo({ port: 0 });
    expect(server.urls).toEqual([expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/$/)]);
    expect(() => server.address()).toThrow(/server\.urls/);
    const near = await echoes(url);
    expect(near.peer.how).toBe('key');
    expect(near.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    await near.close();
    expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
  });

  it('listens beside a TCP port', async () => {
    const { server } = await echo({ port: 0, path: '/chat' }, { port: 0 });
    expect(server.urls).toEqual([
      expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/chat$/),
    ]);
    for (const url of server.urls) await echoes(url);
    const { port } = server.address() as { port: number };
    expect(server.urls[0]).toContain(`:${port}`);
    await until(() => server.connections === 2);
  });

  it('takes the upgrades of an http.Server, which stays open when the server closes', async () => {
    const http = await httpServer(createHttp((_, response) => response.end('a page')));
    const { server, url } = await echo(http);
    expect(url).toBe(`ws://127.0.0.1:${portOf(http)}/`);
    const near = await echoes(url);
    await server.close({ timeout: 0 });
    expect((await near.closed).code).not.toBe('K4NET_CLOSED');
    expect(http.listenerCount('upgrade')).toBe(0);
    expect(await (await fetch(`http://127.0.0.1:${portOf(http)}/`)).text()).toBe('a page');
  });

  it('takes an http.Server that does not listen yet', async () => {
    const http = createHttp();
    const { server } = await echo({ server: http, path: '/later' });
    expect(server.urls).toEqual([]);
    await httpServer(http);
    expect(server.urls).toEqual([`ws://127.0.0.1:${portOf(http)}/later`]);
    await echoes(server.urls[0]!);
  });

  it('takes the upgrades of an https.Server, for a client that trusts its certificate', async () => {
    const https = await httpServer(createHttps({ cert: testCertificate, key: testKey }));
    const { url } = await echo(https);
    expect(url).toMatch(/^wss:/);
    const untrusted = await failure(connect(url, { key, retry: { minDelay: 1e6 } }), 'K4NET_CONNECT');
    expect(untrusted.message).toMatch(/^no connection to wss:.*SELF_SIGNED/);
    const options = { ca: testCertificate, checkServerIdentity: () => undefined };
    const near = fixture.keep(await connect(url, { key, webSocket: { options } }));
    await near.send('TLS');
    expect(textOf(await near.recv())).toBe('TLS');
  });

  it('takes the sockets of a WebSocketServer, which stays open when the server closes', async () => {
    const theirs = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(theirs, 'listening');
    fixture.onCleanup(
      () =>
        new Promise<void>((resolve) => {
          theirs.close(() => {
            resolve();
          });
        }),
    );
    const { server } = await echo(theirs);
    expect(server.urls).toEqual([]);
    const url = `ws://127.0.0.1:${portOf(theirs)}/any`;
    const near = await echoes(url);
    await Promise.all([near.close(), server.close()]);
    expect(theirs.listenerCount('connection')).toBe(0);
    expect(await statusOf(url)).toBe(101);
  });

  it('leaves other paths to other listeners, and answers 404 without one', async () => {
    const http = await httpServer();
    const other = new WebSocketServer({ noServer: true });
    const { url, errors } = await echo({ server: http, path: '/chat' });
    expect(await statusOf(url)).toBe(101);
    expect(await statusOf(`${url}?a=1`)).toBe(101);
    expect(await statusOf(`${url}/more`)).toBe(404);
    http.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (request.url === '/other')
        other.handleUpgrade(request, socket, head, (each) => {
          each.close();
        });
    });
    expect(await statusOf(url.replace('/chat', '/other'))).toBe(101);
    await until(() => errors.length > 0);
  });

  it('answers 404 if no server of the library on the same HTTP server has the path', async () => {
    const http = await httpServer();
    const { url } = await echo({ server: http, path: '/chat' });
    const other = await echo({ server: http, path: '/other' });
    expect(await statusOf(url)).toBe(101);
    expect(await statusOf(other.url)).toBe(101);
    expect(await statusOf(url.replace('/chat', '/third'))).toBe(404);
  });

  it('survives a reset of a connection whose path it has left to other listeners', async () => {
    const http = await httpServer();
    await echo({ server: http, path: '/chat' });
    const left = new Promise<Socket>((resolve) => {
      http.on('upgrade', (_request: IncomingMessage, socket: Socket) => {
        resolve(socket);
      });
    });
    const raw = dialTcp({ port: portOf(http), host: '127.0.0.1' });
    raw.write('GET /none HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const socket = await left;
    raw.resetAndDestroy();
    await new Promise((resolve) => socket.on('close', resolve));
    expect(socket.errored).toMatchObject({ code: 'ECONNRESET' });
  });

  it('answers a request that is no upgrade with 426', async () => {
    const { url } = await echo({ port: 0 });
    const response = await fetch(url.replace('ws:', 'http:'));
    expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket']);
  });

  it('rejects with K4NET_LISTEN if the port is taken, and leaves no other port open', async () => {
    const { url } = await echo({ port: 0 });
    const taken = Number(new URL(url).port);
    const error = await failure(
      listen({ key: keys.server, port: 0, webSocket: { port: taken } }),
      'K4NET_LISTEN',
    );
    expect(error.message).toMatch(`cannot listen on 127.0.0.1:${taken} for WebSockets`);
  });

  it.each<[string, unknown, RegExp]>([
    ['no server and no port', {}, /needs 'server' or 'port'/],
    ['a server and a port', { server: createHttp(), port: 0 }, /not both/],
    ['a server that is none', { server: {} }, /must be an HTTP server/],
    ['true', true, /must be an object/],
    ['an unknown option', { port: 0, orgins: '*' }, /orgins/],
    ['a path without a slash', { port: 0, path: 'chat' }, /must begin with/],
    ['a path with a query', { port: 0, path: '/chat?a' }, /must begin with/],
    ['an origin with a path', { port: 0, origins: ['https://h/'] }, /without a path/],
    ['one origin as text', { port: 0, origins: 'https://h' }, /must be '\*' or a list/],
    ['an address that is no function', { port: 0, address: '1' }, /address must be a function/],
    [
      'origins beside a WebSocketServer',
      { server: new WebSocketServer({ noServer: true }), origins: '*' },
      /itself/,
    ],
  ])('is a TypeError for %s', async (_, webSocket, message) => {
    await expect(listen({ key: keys.server, webSocket } as never)).rejects.toThrow(message);
    await expect(listen({ plain: true, webSocket } as never)).rejects.toThrow(TypeError);
  });
});

describe('the origins of webSocket', () => {
  const local = (port: number): string => `http://127.0.0.1:${port}`;

  it('are by default none, and the host of the request', async () => {
    const { url, errors } = await echo({ port: 0 });
    const { port } = new URL(url);
    expect(await statusOf(url)).toBe(101);
    expect(await statusOf(url, { origin: local(Number(port)) })).toBe(101);
    expect(await statusOf(url, { origin: 'https://example.com', host: 'example.com' })).toBe(101);
    expect(await statusOf(url, { origin: 'https://Example.com', host: 'example.com:443' })).toBe(101);
    for (const origin of [
      local(1),
      'https://evil.example',
      'null',
      '',
      'file://',
      `http://127.0.0.1.evil:${port}`,
    ]) {
      expect(await statusOf(url, { origin }), origin).toBe(403);
    }
    expect(errors.filter((error) => String(error).includes('evil.example'))).toHaveLength(1);
    expect(String(errors.at(-1))).toMatch(/'origins' of webSocket/);
  });

  it('are a list, or all', async () => {
    const { url } = await echo({ port: 0, origins: ['https://good.example', 'null'] });
    expect(await statusOf(url, { origin: 'https://good.example' })).toBe(101);
    expect(await statusOf(url, { origin: 'null' })).toBe(101);
    expect(await statusOf(url, { origin: 'https://good.example.evil' })).toBe(403);
    expect(await statusOf(url, { origin: local(Number(new URL(url).port)) })).toBe(403);
    expect(await statusOf(url)).toBe(101);
    const all = await echo({ port: 0, origins: '*' });
    expect(await statusOf(all.url, { origin: 'https://evil.example' })).toBe(101);
  });
});

describe('connect to a WebSocket', () => {
  it('remembers the server under its URL with the port and without the query', async () => {
    const { url } = await echo({ port: 0 });
    const knownHosts = memoryKnownHosts();
    const first = fixture.keep(await connect(`${url}chat?token=1`, { knownHosts }));
    expect(first.peer.how).toBe('first-use');
    const second = fixture.keep(await connect(`${url}chat?token=2`, { knownHosts }));
    expect(second.peer.how).toBe('known-hosts');
    const named = fixture.keep(await connect(url, { knownHosts, serverName: 'kitchen' }));
    expect(named.peer.how).toBe('first-use');
    const { fingerprint } = keys.server;
    for (const name of [`${url}chat`, 'kitchen'])
      expect(await knownHosts.get(name)).toMatchObject({ fingerprint });
    expect(await knownHosts.get(url)).toBeUndefined();
  });

  it('offers the subprotocols, and passes headers to ws', async () => {
    const http = await httpServer();
    const { url } = await echo(http);
    const seen: IncomingMessage[] = [];
    http.prependListener('upgrade', (request: IncomingMessage) => seen.push(request));
    const options = { headers: { 'x-test': 'yes' } };
    fixture.keep(await connect(url, { key, webSocket: { protocols: ['one', 'two'], options } }));
    expect(seen[0]?.headers).toMatchObject({ 'sec-websocket-protocol': 'one,two', 'x-test': 'yes' });
    fixture.keep(await connect(url, { key }));
    expect(seen[1]?.headers).not.toHaveProperty('sec-websocket-protocol');
    expect(seen[1]?.headers).not.toHaveProperty('sec-websocket-extensions');
  });

  it('takes a class of the caller', async () => {
    const { url } = await echo({ port: 0 });
    const made: unknown[][] = [];
    class Own extends WebSocket {
      constructor(...args: [string, string[]]) {
        super(...args);
        made.push(args);
      }
    }
    fixture.keep(await connect(url, { key, webSocket: { class: Own } }));
    expect(made).toEqual([[url, []]]);
  });

  it.each<[string, unknown, RegExp]>([
    ['a class that is none', { class: 1 }, /class must be a function/],
    ['protocols that are numbers', { protocols: [1] }, /protocols must be/],
    ['options that are text', { options: 'x' }, /options of webSocket/],
    ['an unknown option', { protocol: 'x' }, /protocol/],
  ])('is a TypeError for %s', async (_, webSocket, message) => {
    await expect(connect('ws://127.0.0.1:1/', { key, webSocket } as never)).rejects.toThrow(message);
    await expect(connect('ws://127.0.0.1:1/', { key, webSocket } as never)).rejects.toThrow(TypeError);
  });

  it('is a TypeError for webSocket beside a URL of TCP', async () => {
    await expect(connect('tcp://127.0.0.1:1', { key, webSocket: {} })).rejects.toThrow(
      /ws: and wss: URLs only/,
    );
  });
});
