import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codec, Group, listen, QueueSocket } from '../../lib/index.js';
import type { EncryptedListenOptions, EstablishedSocket, Server } from '../../lib/index.js';
import { keys } from '../support/keys.js';
import { libraryRoutes, libraryScript, type LibraryScope } from './built.js';
import { openPlace, places, startChromium, type BrowserContext, type Place } from './chromium.js';
import { startSite } from './site.js';

const chromium = await startChromium();
const site = await startSite(libraryRoutes);
afterAll(async () => {
  await chromium.close();
  await site.close();
});

let context: BrowserContext;
let server: Server<EstablishedSocket> | undefined;
beforeEach(async () => {
  context = await chromium.newContext();
});
afterEach(async () => {
  await context.close();
  await server?.close({ timeout: 0 });
});

/** Serves the WebSockets of the site in Node. */
async function serve(
  onSocket: (socket: EstablishedSocket) => unknown,
  options: Partial<EncryptedListenOptions> = {},
): Promise<void> {
  await server?.close({ timeout: 0 });
  const made = await listen({ webSocket: site.server, key: keys.server, ...options });
  server = made;
  void made.serve(async (socket) => {
    await onSocket(socket);
  });
}

async function echo(socket: EstablishedSocket): Promise<void> {
  for await (const message of socket) await socket.send(message);
}

const url = `ws://localhost:${site.port}/chat?token=1`;
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
/** The most messages in all queues to a peer that does not read: half of those that are sent. */
const most = messages / 2;

describe.each(places)('an encrypted socket over a WebSocket, in a %s', (name) => {
  let place: Place;
  beforeEach(async () => {
    place = await openPlace(context, site.origin, libraryScript, name);
  });

  it('gets back messages of every size, and closes clean', async () => {
    await serve(echo);
    const outcome = await place.evaluate(
      async ({ url, pin }) => {
        const { k4net } = globalThis as unknown as LibraryScope;
        const socket = await k4net.connect(url, { pin });
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
          how: peer.how,
          authenticated: peer.authenticated,
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
    const meet = (): Promise<string> =>
      place.evaluate(async () => {
        const { k4net } = globalThis as unknown as LibraryScope;
        try {
          const socket = await k4net.connect('/chat');
          await socket.close();
          return socket.peer.how;
        } catch (error) {
          return (error as { readonly code: string }).code;
        }
      });
    await serve(echo);
    expect([await meet(), await meet()]).toEqual(['first-use', 'known-hosts']);
    await serve(echo, { key: keys.other, onError: () => undefined });
    expect(await meet()).toBe('K4NET_KEY_MISMATCH');
    // Another tab has the same store.
    await serve(echo);
    place = await openPlace(context, site.origin, libraryScript, name);
    expect(await meet()).toBe('known-hosts');
  });

  it.each([
    ['keyPath', { keyPath: './server' }],
    ['a path as knownHosts', { knownHosts: './known_hosts' }],
  ])('rejects %s with K4NET_UNSUPPORTED before it opens a WebSocket', async (_, options) => {
    let opened = 0;
    const count = (): void => void (opened += 1);
    site.server.on('upgrade', count);
    const error = await place.evaluate(async (given) => {
      const { k4net } = globalThis as unknown as LibraryScope;
      const thrown: unknown = await k4net.connect('/chat', given).catch((reason: unknown) => reason);
      const { code, message } = thrown as Error & { readonly code: string };
      return { code, message };
    }, options);
    site.server.off('upgrade', count);
    expect(error.code).toBe('K4NET_UNSUPPORTED');
    expect(error.message).toMatch(/'pin'.*knownHosts: true/);
    expect(opened).toBe(0);
  });

  it('identifies itself with a key that cannot be exported', async () => {
    const shown: unknown[] = [];
    await serve(echo, {
      clientAuth: 'required',
      authorize: ({ fingerprint }) => {
        shown.push(fingerprint);
        return true;
      },
    });
    const fingerprint = await place.evaluate(
      async ({ url, pin }) => {
        const { k4net, crypto } = globalThis as unknown as LibraryScope;
        const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
        const clientKey = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
        const socket = await k4net.connect(url, { pin, clientKey });
        await socket.close();
        return (await k4net.importKeyPair(clientKey)).publicKey.fingerprint;
      },
      { url, pin },
    );
    expect(shown).toEqual([fingerprint]);
  });

  it('carries typed calls in both directions', async () => {
    let answer: Promise<number> | undefined;
    await serve((socket) => {
      const queue = new QueueSocket(socket);
      const typed = queue.typed({
        add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
        double: codec.request(codec.int32, codec.int32),
      });
      typed.registerCallback('add', ({ a, b }) => a + b);
      queue.start();
      answer = typed.call('double', 21);
      return queue.closed;
    });
    const sums = await place.evaluate(
      async ({ url, pin }) => {
        const { connect, codec, QueueSocket } = (globalThis as unknown as LibraryScope).k4net;
        const queue = new QueueSocket(await connect(url, { pin }));
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
    expect(await answer).toBe(42);
    await place.evaluate(() => (globalThis as unknown as { queue: QueueSocket }).queue.close());
  });

  it('is a member of groups at both ends, until it closes', async () => {
    const messages = { said: codec.string };
    const group = new Group(messages);
    await serve((socket) => {
      const api = new QueueSocket(socket).typed(messages);
      api.registerCallback('said', (text) => group.send('said', text, { except: api, slow: 'close' }));
      group.add(api);
      api.start();
      return api.closed;
    });
    const outcome = await place.evaluate(
      async ({ url, pin }) => {
        const { connect, codec, Group, QueueSocket } = (globalThis as unknown as LibraryScope).k4net;
        const messages = { said: codec.string };
        const group = new Group(messages);
        const heard: string[][] = [];
        const wait = async (counts: number[]): Promise<void> => {
          const isDone = (): boolean => counts.every((count, i) => heard[i]!.length === count);
          while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 4));
        };
        for (let i = 0; i < 3; i += 1) {
          const api = new QueueSocket(await connect(url, { pin })).typed(messages);
          heard.push([]);
          api.registerCallback('said', (text) => void heard[i]!.push(text));
          group.add(api);
          api.start();
        }
        const [first, second] = group;
        const numbers = [await group.send('said', 'to all')];
        await wait([2, 2, 2]);
        await first!.close();
        numbers.push(await group.send('said', 'to two'));
        await wait([2, 3, 3]);
        numbers.push(await group.send('said', 'to one', { except: second, slow: 'drop' }));
        await wait([2, 4, 3]);
        Object.assign(globalThis, { group });
        return { numbers, heard };
      },
      { url, pin },
    );
    const all = ['to all', 'to all'];
    expect(outcome).toEqual({
      numbers: [3, 2, 1],
      heard: [all, [...all, 'to two', 'to one'], [...all, 'to two']],
    });
    expect(group.size).toBe(2);
    await place.evaluate(async () => {
      const { group } = globalThis as unknown as { readonly group: Iterable<QueueSocket> };
      for (const member of group) await member.close();
    });
    await untilStill(() => group.size, place);
    expect(group.size).toBe(0);
  });

  it('makes send in Node wait while it does not read, and then reads everything', async () => {
    let sent = 0;
    await serve(async (socket) => {
      for (; sent < messages; sent += 1) await socket.send(new Uint8Array(size).fill(sent));
      await socket.end();
      await socket.closed;
    });
    await place.evaluate(
      async ({ url, pin }) => {
        const { k4net } = globalThis as unknown as LibraryScope;
        const socket = await k4net.connect(url, { pin });
        Object.assign(globalThis, { socket });
      },
      { url, pin },
    );
    expect(await untilStill(() => sent, place)).toBeLessThan(most);
    const inOrder = await place.evaluate(async (length) => {
      const { socket } = globalThis as unknown as { readonly socket: EstablishedSocket };
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
  });

  it('has its own send wait while Node does not read, and then everything arrives', async () => {
    let accepted: EstablishedSocket | undefined;
    await serve((socket) => {
      accepted = socket;
      return socket.closed;
    });
    await place.evaluate(
      async ({ url, pin, size, messages }) => {
        const { k4net } = globalThis as unknown as LibraryScope;
        const socket = await k4net.connect(url, { pin });
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

const sizes = [0, 1, 65_536, 3_000_000];

it('a page and its worker are connected by a socket over the worker', async () => {
  const { evaluate } = await openPlace(context, site.origin, libraryScript);
  const lengths = await evaluate(async (each) => {
    const { k4net, Worker } = globalThis as unknown as LibraryScope;
    const socket = new k4net.LockedSocket(new Worker('/place/echo-worker.js', { type: 'module' }));
    const received: number[] = [];
    for (const length of each) {
      const [back] = await Promise.all([socket.recv(), socket.send(new Uint8Array(length))]);
      received.push(back.length);
    }
    await socket.close();
    return received;
  }, sizes);
  expect(lengths).toEqual(sizes);
});

it('a page and a frame in it are connected by a socket over a MessagePort', async () => {
  const { evaluate } = await openPlace(context, site.origin, libraryScript);
  const lengths = await evaluate(async (each) => {
    const { k4net, document, MessageChannel } = globalThis as unknown as LibraryScope;
    const frame = document.createElement('iframe');
    frame.src = '/place/echo-frame.html';
    const ready = new Promise<void>((resolve) => {
      (globalThis as unknown as LibraryScope).addEventListener('message', resolve, { once: true });
    });
    document.body.append(frame);
    await ready;
    const { port1, port2 } = new MessageChannel();
    frame.contentWindow.postMessage('port', '*', [port2]);
    const socket = new k4net.LockedSocket(port1);
    const received: number[] = [];
    for (const length of each) {
      const [back] = await Promise.all([socket.recv(), socket.send(new Uint8Array(length))]);
      received.push(back.length);
    }
    await socket.close();
    return received;
  }, sizes);
  expect(lengths).toEqual(sizes);
});
