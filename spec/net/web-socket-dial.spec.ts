import { getEventListeners, once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { TimeoutError } from '../../lib/errors.js';
import { connect } from '../../lib/net/connect.js';
import { listen } from '../../lib/net/listen.js';
import { newWebSocket as newInBrowser } from '../../lib/net/web-net.js';
import { checkDialOptions } from '../../lib/net/web-socket-options.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { failure, reasonOf, textOf, until } from '../support/sockets.js';

const fixture = useFixture();
const key = keys.server.publicKey;
const quick = { retries: 2, minDelay: 1, maxDelay: 1 };

afterEach(() => {
  vi.unstubAllGlobals();
});

/** An HTTP server that answers every upgrade with a text, and the number of upgrades. */
async function answering(text: string): Promise<{ url: string; count: () => number }> {
  const sockets: Socket[] = [];
  const server = createHttp().listen(0, '127.0.0.1');
  server.on('upgrade', (_, socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (text !== '') socket.end(text);
  });
  await once(server, 'listening');
  fixture.onCleanup(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, count: () => sockets.length };
}

describe('a WebSocket that cannot be opened', () => {
  it('is K4NET_CONNECT with the reason, the close code and no query', async () => {
    const error = await failure(
      connect('ws://127.0.0.1:1/chat?token=secret', { key, retry: false }),
      'K4NET_CONNECT',
    );
    expect(error.message).toBe('no connection to ws://127.0.0.1:1/chat: ECONNREFUSED (close code 1006)');
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.each([
    ['403 Forbidden', 1],
    ['404 Not Found', 1],
    ['429 Too Many Requests', 3],
    ['502 Bad Gateway', 3],
    ['503 Service Unavailable', 3],
  ])('is dialled after the status %s this often: %d', async (status, times) => {
    const { url, count } = await answering(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    const error = await failure(connect(url, { key, retry: quick }), 'K4NET_CONNECT');
    expect(error.message).toContain(status.slice(0, 3));
    expect(count()).toBe(times);
  });

  it('is dialled again while the server is not there yet', async () => {
    const server = await listen({ key: keys.server, webSocket: { port: 0 } });
    const [url] = server.urls;
    await server.close();
    const connecting = connect(url!, { key, retry: { retries: Infinity, minDelay: 1, maxDelay: 2 } });
    const again = await listen({ key: keys.server, webSocket: { port: Number(new URL(url!).port) } });
    fixture.onCleanup(() => again.close({ timeout: 0 }));
    const near = fixture.keep(await connecting);
    const { value: far } = await again[Symbol.asyncIterator]().next();
    await near.send('at last');
    expect(textOf(await far!.recv())).toBe('at last');
  });

  it('is not dialled again if the constructor throws', async () => {
    const dialled: string[] = [];
    function Blocked(url: string): never {
      dialled.push(url);
      throw new DOMException('mixed content', 'SecurityError');
    }
    const options = { key, webSocket: { class: Blocked as never }, retry: quick };
    const error = await failure(connect('ws://127.0.0.1:1/', options), 'K4NET_CONNECT');
    expect(error.message).toBe('no connection to ws://127.0.0.1:1/: mixed content');
    expect((error.cause as Error).name).toBe('SecurityError');
    expect(dialled).toEqual(['ws://127.0.0.1:1/']);
  });

  it.each([
    [
      'a close event with a code',
      (socket: EventTarget) => socket.dispatchEvent(closeEvent(1006)),
      /no reason \(close code 1006\)$/,
    ],
    ['no close event', () => undefined, /no reason$/],
  ])(
    'is K4NET_CONNECT after an error without details and with %s, and is dialled again',
    async (_, then, message) => {
      let count = 0;
      class Bare extends EventTarget {
        readonly readyState = 0;
        constructor() {
          super();
          count += 1;
          setImmediate(() => {
            this.dispatchEvent(new Event('error'));
            then(this);
          });
        }
      }
      const options = { key, webSocket: { class: Bare as never }, retry: quick };
      const error = await failure(connect('ws://127.0.0.1:1/', options), 'K4NET_CONNECT');
      expect(error.message).toMatch(message);
      expect(count).toBe(3);
    },
  );

  it.each(['timeout', 'signal'] as const)('is closed at once by the %s', async (how) => {
    const { url, count } = await answering('');
    const made: WebSocket[] = [];
    class Own extends WebSocket {
      constructor(...args: [string, string[]]) {
        super(...args);
        made.push(this);
      }
    }
    const stop = new AbortController();
    const connecting = reasonOf(
      connect(url, {
        key,
        webSocket: { class: Own },
        retry: quick,
        ...(how === 'timeout' ? { timeout: 200 } : { signal: stop.signal }),
      }),
    );
    await until(() => count() === 1);
    stop.abort(new Error('changed my mind'));
    const reason = await connecting;
    if (how === 'timeout') expect(reason).toBeInstanceOf(TimeoutError);
    else expect(reason).toBe(stop.signal.reason);
    await until(() => made[0]?.readyState === WebSocket.CLOSED);
    expect(made).toHaveLength(1);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('is not opened with a signal that has aborted', async () => {
    const reason = new Error('before');
    const signal = AbortSignal.abort(reason);
    expect(await reasonOf(connect('ws://127.0.0.1:1/', { key, signal }))).toBe(reason);
  });
});

function closeEvent(code: number): Event {
  return Object.assign(new Event('close'), { code });
}

describe('a WebSocket to a server of another kind', () => {
  it('is refused by a plain server', async () => {
    const plain = await fixture.plainServer({ webSocket: { port: 0 } });
    const refused = reasonOf(connect(plain.urls[0]!, { key, retry: false }));
    const { value: far } = await plain[Symbol.asyncIterator]().next();
    await failure(far!.recv(), 'K4NET_ENCRYPTED_PEER');
    expect(await refused).toMatchObject({ code: 'K4NET_CONNECTION' });
  });
});

describe('the form of connect for browsers', () => {
  it('takes the global WebSocket', async () => {
    const made: unknown[][] = [];
    vi.stubGlobal('WebSocket', function Global(...args: unknown[]) {
      made.push(args);
    });
    const create = await newInBrowser(checkDialOptions({ protocols: 'one' }));
    create('wss://h/');
    expect(made).toEqual([['wss://h/', 'one']]);
  });

  it('is K4NET_UNSUPPORTED without one', async () => {
    vi.stubGlobal('WebSocket', undefined);
    const error = await failure(newInBrowser(checkDialOptions(undefined)), 'K4NET_UNSUPPORTED');
    expect(error.message).toMatch(/has no WebSocket.*webSocket: \{ class \}/);
  });
});
