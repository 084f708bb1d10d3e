import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codec, EncryptedSocket, QueueSocket, type EncryptedServerOptions } from '../../lib/index.js';
import { keys } from '../support/keys.js';
import { libraryScript, type LibraryScope } from './built.js';
import { openPlace, places, startChromium, type BrowserContext, type Place } from './chromium.js';
import { startNodeServer } from './node-server.js';

const chromium = await startChromium();
const server = await startNodeServer();
afterAll(async () => {
  await chromium.close();
  await server.close();
});

let context: BrowserContext;
const sockets: EncryptedSocket[] = [];
beforeEach(async () => {
  context = await chromium.newContext();
});
afterEach(async () => {
  await Promise.all(sockets.splice(0).map((socket) => socket.close(undefined, { timeout: 0 })));
  await context.close();
});

/** Serves encrypted sockets in Node. */
function serve(
  options: Partial<EncryptedServerOptions>,
  onSocket: (socket: EncryptedSocket) => unknown,
): void {
  server.serve((webSocket) => {
    const socket = new EncryptedSocket(webSocket, { key: keys.server, ...options, isServer: true });
    sockets.push(socket);
    void onSocket(socket);
  });
}

async function echo(socket: EncryptedSocket): Promise<void> {
  for await (const message of socket) await socket.send(message);
}

const url = `ws://localhost:${server.port}/`;
const pin = keys.server.publicKey.fingerprint;

/** A count that stays the same during this many round trips to the browser has stopped. */
const still = 25;

async function untilStill(count: () => Promise<number> | number, place: Place): Promise<number> {
  let before = -1;
  for (let same = 0; same < still;) {
    const now = await place
      .evaluate(async () => {
        await new Promise((resolve) => setTimeout(resolve, 4));
      })
      .then(count);
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return before;
}

const size = 65_536;
const messages = 1024;
/** What may be on its way to a peer that does not read, with all queues: half of what is sent. */
const most = messages / 2;

describe.each(places)('an encrypted socket over a WebSocket, in a %s', (name) => {
  let place: Place;
  beforeEach(async () => {
    place = await openPlace(context, server.origin, libraryScript, name);
  });

  it('gets back messages of every size, and closes clean', async () => {
    serve({}, echo);
    const outcome = await place.evaluate(
      async ({ url, pin }) => {
        const { k4net, WebSocket } = globalThis as unknown as LibraryScope;
        const socket = new k4net.EncryptedSocket(new WebSocket(url), { pin });
        await socket.handshake();
        const same: boolean[] = [];
        for (const length of [0, 1, 1000, 65_536, 300_000, 3_000_000]) {
          const message = Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255);
          const [back] = await Promise.all([socket.recv(), socket.send(message)]);
          same.push(back.length === length && back.every((byte, index) => byte === message[index]));
        }
        const { peer } = socket;
        await socket.close();
        return {
          same,
          how: peer?.how,
          authenticated: peer?.authenticated,
          closed: (await socket.closed).code,
        };
      },
      { url, pin },
    );
    const same = Array.from({ length: 6 }, () => true);
    expect(outcome).toEqual({ same, how: 'pin', authenticated: true, closed: 'K4NET_CLOSED' });
    expect(place.problems).toEqual([]);
  });

  it('remembers the server on first use, accepts it again, and refuses another key', async () => {
    const meet = (): Promise<string | undefined> =>
      place.evaluate(async (url) => {
        const { k4net, WebSocket } = globalThis as unknown as LibraryScope;
        const socket = new k4net.EncryptedSocket(new WebSocket(url), {
          serverName: 'example.org:443',
          knownHosts: true,
        });
        try {
          await socket.handshake();
          return socket.peer?.how;
        } catch (error) {
          return (error as { readonly code: string }).code;
        } finally {
          await socket.close();
        }
      }, url);
    serve({}, echo);
    expect([await meet(), await meet()]).toEqual(['first-use', 'known-hosts']);
    serve({ key: keys.other }, (socket) => echo(socket).catch(() => undefined));
    expect(await meet()).toBe('K4NET_KEY_MISMATCH');
    // Another tab has the same store.
    serve({}, echo);
    place = await openPlace(context, server.origin, libraryScript, name);
    expect(await meet()).toBe('known-hosts');
  });

  it('identifies itself with a key that cannot be exported', async () => {
    const shown: unknown[] = [];
    serve(
      {
        clientAuth: 'required',
        authorize: ({ fingerprint }) => {
          shown.push(fingerprint);
          return true;
        },
      },
      echo,
    );
    const fingerprint = await place.evaluate(
      async ({ url, pin }) => {
        const { k4net, WebSocket, crypto } = globalThis as unknown as LibraryScope;
        const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
        const clientKey = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
        const socket = new k4net.EncryptedSocket(new WebSocket(url), { pin, clientKey });
        await socket.handshake();
        await socket.close();
        return (await k4net.importKeyPair(clientKey)).publicKey.fingerprint;
      },
      { url, pin },
    );
    expect(shown).toEqual([fingerprint]);
  });

  it('carries typed calls in both directions', async () => {
    let answer: Promise<number> | undefined;
    const asked = new Promise<void>((resolve) => {
      serve({}, (socket) => {
        const queue = new QueueSocket(socket);
        const typed = queue.typed({
          add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
          double: codec.request(codec.int32, codec.int32),
        });
        typed.registerCallback('add', ({ a, b }) => a + b);
        queue.start();
        answer = typed.call('double', 21);
        resolve();
      });
    });
    const sums = await place.evaluate(
      async ({ url, pin }) => {
        const { k4net, WebSocket } = globalThis as unknown as LibraryScope;
        const { codec, QueueSocket } = k4net;
        const socket = new k4net.EncryptedSocket(new WebSocket(url), { pin });
        const queue = new QueueSocket(socket);
        const typed = queue.typed({
          add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
          double: codec.request(codec.int32, codec.int32),
        });
        typed.registerCallback('double', (value) => value * 2);
        queue.start();
        Object.assign(globalThis, { queue });
        return Promise.all(Array.from({ length: 100 }, (_, a) => typed.call('add', { a, b: 1 })));
      },
      { url, pin },
    );
    expect(sums).toEqual(Array.from({ length: 100 }, (_, a) => a + 1));
    await asked;
    expect(await answer).toBe(42);
    await place.evaluate(() => (globalThis as unknown as { queue: QueueSocket }).queue.close());
  });

  it('makes send in Node wait while it does not read, and then reads everything', async () => {
    let sent = 0;
    let sending: Promise<void> | undefined;
    serve({}, (socket) => {
      sending = (async () => {
        for (; sent < messages; sent += 1) await socket.send(new Uint8Array(size).fill(sent));
        await socket.end();
      })();
    });
    await place.evaluate(
      async ({ url, pin }) => {
        const { k4net, WebSocket } = globalThis as unknown as LibraryScope;
        const socket = new k4net.EncryptedSocket(new WebSocket(url), { pin });
        await socket.handshake();
        Object.assign(globalThis, { socket });
      },
      { url, pin },
    );
    expect(await untilStill(() => sent, place)).toBeLessThan(most);
    const inOrder = await place.evaluate(async (length) => {
      const { socket } = globalThis as unknown as { readonly socket: EncryptedSocket };
      let count = 0;
      for await (const message of socket) {
        if (message.length !== length || message.some((byte) => byte !== (count & 255)))
          return `${count} differs`;
        count += 1;
      }
      await socket.close();
      return count;
    }, size);
    expect(inOrder).toBe(messages);
    await sending;
  });

  it('has its own send wait while Node does not read, and then everything arrives', async () => {
    let accepted: EncryptedSocket | undefined;
    serve({}, (socket) => {
      accepted = socket;
      return socket.handshake();
    });
    await place.evaluate(
      async ({ url, pin, size, messages }) => {
        const { k4net, WebSocket } = globalThis as unknown as LibraryScope;
        const socket = new k4net.EncryptedSocket(new WebSocket(url), { pin });
        await socket.handshake();
        const sending = { sent: 0 };
        Object.assign(globalThis, { sending });
        void (async () => {
          for (; sending.sent < messages; sending.sent += 1)
            await socket.send(new Uint8Array(size).fill(sending.sent));
          await socket.close();
        })();
      },
      { url, pin, size, messages },
    );
    const sentByPage = (): Promise<number> =>
      place.evaluate(() => (globalThis as unknown as { sending: { sent: number } }).sending.sent);
    expect(await untilStill(sentByPage, place)).toBeLessThan(most);
    let count = 0;
    for await (const message of accepted!) {
      expect(message.length === size && message.every((byte) => byte === (count & 255))).toBe(true);
      count += 1;
    }
    expect(count).toBe(messages);
  });
});
