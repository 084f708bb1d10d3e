import { describe, expect, expectTypeOf, it } from 'vitest';
import * as codec from '../../lib/codec/index.js';
import { K4netError, RemoteError } from '../../lib/errors.js';
import { connectQueue, type EncryptedConnectQueueOptions } from '../../lib/net/connect-queue.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { ServeQueueOptions } from '../../lib/net/queue-handler.js';
import type { Server } from '../../lib/net/server.js';
import type { TypedQueue } from '../../lib/queue/types.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import type { Peer } from '../../lib/sockets/peer.js';
import { Deferred } from '../../lib/util/wait.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { reasonOf, until, watch } from '../support/sockets.js';

const fixture = useFixture();

const shape = codec.union('type', { circle: { radius: codec.float64 }, dot: {} });
const messages = {
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
  shape: codec.request(codec.string, shape),
  count: codec.stream(codec.uint32, codec.uint32, { answer: codec.string }),
  put: codec.request(codec.string, codec.uint32, { body: codec.bytes }),
  who: codec.request(codec.nothing, codec.string),
  changed: codec.string,
};
type Api = TypedQueue<typeof messages>;

/** An encrypted server of typed queues, and the errors that it reports. */
async function serving(
  options: Omit<ServeQueueOptions<typeof messages, EstablishedSocket>, 'messages'>,
  listening: Partial<EncryptedListenOptions> = {},
): Promise<{ server: Server<EstablishedSocket>; served: Promise<void>; errors: unknown[] }> {
  const errors: unknown[] = [];
  const server = await listen({
    port: 0,
    key: keys.server,
    onError: (error) => errors.push(error),
    ...listening,
  });
  fixture.onCleanup(() => server.close({ timeout: 0 }));
  return { server, served: server.serveQueue({ messages, ...options }), errors };
}

async function client(
  server: Server<EstablishedSocket>,
  options: Partial<EncryptedConnectQueueOptions<typeof messages>> = {},
): Promise<Api> {
  const api = await connectQueue({
    ...server.address(),
    pin: keys.server.fingerprint,
    messages,
    ...options,
  });
  fixture.onCleanup(() => api.close(undefined, { timeout: 0 }));
  return api;
}

describe('serveQueue and connectQueue', () => {
  it('connect, register, start, and give every shape of call its types', async () => {
    const server = await listen({ port: 0, key: keys.server });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    void server.serveQueue({
      messages,
      callbacks: {
        add: ({ a, b }) => {
          expectTypeOf(a).toEqualTypeOf<number>();
          return a + b;
        },
        shape: (name) => (name === 'dot' ? { type: 'dot' } : { type: 'circle', radius: 1 }),
        count: async function* (last) {
          for (let n = 1; n <= last; n += 1) yield await Promise.resolve(n);
          return 'done';
        },
        put: async (_name, { body }) => {
          let size = 0;
          for await (const piece of body) {
            expectTypeOf(piece).toEqualTypeOf<Uint8Array>();
            size += piece.length;
          }
          return size;
        },
      },
    });
    const api = await connectQueue({ ...server.address(), pin: server.fingerprint, messages });
    expectTypeOf(api).toEqualTypeOf<Api>();
    expect(await api.call('add', { a: 2, b: 3 })).toBe(5);
    expect(await api.call('shape', 'circle')).toEqual({ type: 'circle', radius: 1 });
    const numbers: number[] = [];
    const stream = api.stream('count', 3);
    for await (const n of stream) numbers.push(n);
    expect([numbers, await stream.answer]).toEqual([[1, 2, 3], 'done']);
    expect(await api.call('put', 'x', { body: [new Uint8Array(5)] })).toBe(5);
    await api.close();
  });

  it('let the callbacks depend on the key of the peer', async () => {
    const { server } = await serving(
      {
        callbacks: (peer, api) => {
          expectTypeOf(peer).toEqualTypeOf<Peer>();
          expectTypeOf(api).toEqualTypeOf<Api>();
          const own = { who: () => `${peer.fingerprint ?? 'nobody'} ${String(api.peer === peer)}` };
          return peer.fingerprint === undefined ? own : { ...own, add: ({ a, b }) => a + b };
        },
      },
      { clientAuth: 'wanted' },
    );
    const stranger = await client(server);
    const known = await client(server, { clientKey: keys.ec });
    expect(await stranger.call('who')).toMatch(/^nobody /);
    expect(await known.call('who')).toMatch(keys.ec.fingerprint);
    expect(await known.call('add', { a: 1, b: 1 })).toBe(2);
    const refused = (await reasonOf(stranger.call('add', { a: 1, b: 1 }))) as RemoteError;
    expect(refused.remoteCode).toBe('K4NET_NO_CALLBACK');
  });

  it('wait for callbacks that a promise gives, and lose no message meanwhile', async () => {
    const given = new Deferred<{ changed: (text: string) => void }>();
    const changes: string[] = [];
    const { server } = await serving({ callbacks: () => given.promise });
    const api = await client(server);
    await api.sendRegistered('changed', 'early');
    given.resolve({ changed: (text) => changes.push(text) });
    await until(() => changes.length > 0);
    expect(changes).toEqual(['early']);
  });

  it('call the client from onConnect, with the callbacks of the client', async () => {
    const changes: string[] = [];
    const { server } = await serving({ onConnect: (api) => api.sendRegistered('changed', 'hello') });
    await client(server, { callbacks: { changed: (text) => changes.push(text) } });
    await until(() => changes.length > 0);
    expect(changes).toEqual(['hello']);
  });

  it('keep a connection open after onConnect has returned, and end it with the queue', async () => {
    const apis: Api[] = [];
    const { server } = await serving({
      callbacks: { add: ({ a }) => a },
      onConnect: async (api) => {
        await Promise.resolve();
        apis.push(api);
      },
    });
    const api = await client(server);
    await until(() => apis.length === 1);
    expect(await api.call('add', { a: 7, b: 0 })).toBe(7);
    await apis[0]!.close();
    expect((await api.closed).code).toBe('K4NET_CLOSED');
  });

  it('report an onConnect that fails, and abort only its connection', async () => {
    const wrong = new Error('wrong');
    let failing = true;
    const { server, errors } = await serving({
      callbacks: { add: ({ a }) => a },
      onConnect: () => {
        if (failing) throw wrong;
      },
    });
    const first = await client(server);
    expect((await first.closed).code).toBe('K4NET_PEER_ALERT');
    failing = false;
    const second = await client(server);
    expect(await second.call('add', { a: 1, b: 0 })).toBe(1);
    expect(errors).toEqual([wrong]);
  });

  it('do not report an onConnect that fails because its connection was aborted', async () => {
    const connecting = new Deferred<void>();
    const { server, served, errors } = await serving({
      onConnect: async (api) => {
        const answer = api.call('who');
        connecting.resolve();
        await answer;
      },
    });
    const waiting = new Deferred<void>();
    const api = await client(server, {
      callbacks: {
        who: async () => {
          await waiting.promise;
          return 'late';
        },
      },
    });
    await connecting.promise;
    await api.abort();
    await until(() => server.connections === 0);
    waiting.resolve();
    await server.close();
    await served;
    expect(errors).toEqual([]);
  });

  it('report a function of callbacks that fails or gives wrong ones', async () => {
    const results: unknown[] = [{ other: () => undefined }, { add: 1 }, 5];
    const { server, errors } = await serving({ callbacks: () => results.shift() as never });
    for (let i = 0; i < 3; i += 1)
      expect((await (await client(server)).closed).code).toBe('K4NET_PEER_ALERT');
    expect(errors.map((error) => (error as Error).message)).toEqual([
      expect.stringContaining("unknown message 'other'"),
      "the callback of 'add' must be a function, not number",
      'callbacks must be an object, not number',
    ]);
  });

  it('answer calls in flight when the server closes, and then end every connection', async () => {
    const begun = new Deferred<void>();
    const finish = new Deferred<void>();
    const { server, served } = await serving({
      callbacks: {
        add: async ({ a, b }) => {
          begun.resolve();
          await finish.promise;
          return a + b;
        },
      },
    });
    const api = await client(server);
    const answer = api.call('add', { a: 1, b: 2 });
    await begun.promise;
    const closed = watch(server.close({ timeout: Infinity }));
    const late = (await reasonOf(api.call('who'))) as RemoteError;
    expect(late.remoteCode).toBe('K4NET_CLOSED');
    expect(closed.state).toBe('pending');
    finish.resolve();
    expect(await answer).toBe(3);
    expect((await api.closed).code).toBe('K4NET_CLOSED');
    await served;
    await until(() => closed.state === 'resolved');
  });

  it('abort the signal of onConnect when the server closes, and wait for onConnect', async () => {
    const ended: string[] = [];
    const connected = new Deferred<void>();
    const { server, served, errors } = await serving({
      onConnect: async (_, { signal }) => {
        connected.resolve();
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
        ended.push('onConnect');
        throw signal.reason;
      },
    });
    await client(server);
    await connected.promise;
    await server.close();
    await served;
    expect([ended, errors]).toEqual([['onConnect'], []]);
  });

  it('limit the connections of a server by maxConnections', async () => {
    const apis: Api[] = [];
    const { server } = await serving({ maxConnections: 1, onConnect: (api) => apis.push(api) });
    const first = await client(server);
    const second = await client(server);
    const answer = watch(second.call('who', undefined, { timeout: Infinity }));
    await until(() => server.connections === 2);
    expect([apis.length, answer.state]).toEqual([1, 'pending']);
    await first.close();
    await until(() => apis.length === 2 && answer.state === 'rejected');
  });

  it('pass the options of a queue on', async () => {
    const failures: unknown[] = [];
    const { server } = await serving({
      callbacks: { who: () => Promise.reject(new Error('secret')) },
      onError: (error) => failures.push(error),
    });
    const api = await client(server, { callTimeout: 1 });
    expect(await reasonOf(api.call('who', undefined, { timeout: 5_000 }))).toBeInstanceOf(RemoteError);
    expect(failures.length).toBe(1);
  });

  it('work over plain sockets and by URL', async () => {
    const server = await listen({ port: 0, plain: true });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    const peers: unknown[] = [];
    void server.serveQueue({
      messages,
      callbacks: (peer) => {
        expectTypeOf(peer).toEqualTypeOf<LockedSocket['peer']>();
        peers.push(peer);
        return { add: ({ a, b }) => a + b };
      },
    });
    const api = await connectQueue(server.urls[0]!, {
      plain: true,
      messages,
      callbacks: (peer) => {
        expectTypeOf(peer).toEqualTypeOf<undefined>();
        return {};
      },
    });
    expect(await api.call('add', { a: 20, b: 22 })).toBe(42);
    expect(peers).toEqual([undefined]);
    await api.close();
  });
});

describe('wrong options', () => {
  it('of serveQueue reject before a connection is served', async () => {
    const server = await fixture.plainServer();
    const wrong: [object, RegExp][] = [
      [{ messages: 5 }, /messages must be an object of codecs/],
      [{ messages: { a: 1 } }, /the payload of 'a' must be a codec/],
      [{ messages, callback: {} }, /unknown option 'callback' of serveQueue/],
      [{ messages, callbacks: { other: () => 1 } }, /unknown message 'other'/],
      [{ messages, callbacks: { add: 1 } }, /the callback of 'add' must be a function/],
      [{ messages, onConnect: 1 }, /onConnect must be a function/],
      [{ messages, maxConnections: 0 }, /maxConnections must be/],
      [{ messages, concurrency: -1 }, /concurrency must be/],
      [{ messages, heartbeat: { interval: 0 } }, /heartbeat.interval/],
    ];
    for (const [options, message] of wrong)
      await expect(server.serveQueue(options as never)).rejects.toThrow(message);
    expect(() => void server[Symbol.asyncIterator]()).not.toThrow();
  });

  it('of connectQueue reject before it connects', async () => {
    let count = 0;
    const { port } = await fixture.rawServer(() => (count += 1));
    const wrong: [object, RegExp][] = [
      [{ messages: undefined }, /messages must be an object of codecs/],
      [{ messages, call: 1 }, /unknown option 'call' of connectQueue/],
      [{ messages, pin: undefined }, /'pin' of connect is undefined/],
      [{ messages, callbacks: { add: 1 } }, /the callback of 'add' must be a function/],
      [{ messages, maxStreams: 0 }, /maxStreams must be/],
    ];
    for (const [options, message] of wrong)
      await expect(connectQueue({ port, ...options } as never)).rejects.toThrow(message);
    const url = connectQueue(`tcp://127.0.0.1:${port}`, { port, messages, insecureAcceptAnyKey: true });
    await expect(url).rejects.toThrow(/'port' contradicts it/);
    expect(count).toBe(0);
  });

  it('of connectQueue: an error of the callbacks closes the connection', async () => {
    const { server } = await serving({});
    const wrong = new Error('wrong');
    const reason = await reasonOf(
      client(server, {
        callbacks: () => {
          throw wrong;
        },
      }),
    );
    expect(reason).toBe(wrong);
    await until(() => server.connections === 0);
  });
});

describe('a typed queue', () => {
  it('has the life of its socket', async () => {
    const apis: Api[] = [];
    const { server } = await serving({ onConnect: (api) => apis.push(api) });
    const api = await client(server);
    expect(api.readyState).toBe('open');
    expect(api.peer?.fingerprint).toBe(keys.server.fingerprint);
    expect(api.socket.remoteAddress).toMatch(/:\d+$/);
    expect(api.stats().callsInFlight).toBe(0);
    expect(() => {
      api.start();
    }).toThrow(K4netError);
    await until(() => apis.length === 1);
    await api.drain();
    expect((await apis[0]!.closed).code).toBe('K4NET_CLOSED');
    expect(api.readyState).toBe('closed');
    const other = await client(server);
    await until(() => apis.length === 2);
    await other.abort(new Error('mine'));
    expect((await apis[1]!.closed).code).toBe('K4NET_PEER_ALERT');
    const third = await client(server);
    await third[Symbol.asyncDispose]();
    expect((await third.closed).code).toBe('K4NET_CLOSED');
  });

  it('performs its tasks', async () => {
    const changes: string[] = [];
    const { server } = await serving({ callbacks: { changed: (text) => changes.push(text) } });
    const api = await client(server);
    api.registerTask('changed', () => 'now');
    await api.performTasks();
    await until(() => changes.length === 1);
    expect(changes).toEqual(['now']);
  });
});

it('the compiler checks callbacks, names and results', () => {
  const check = async (server: Server<EstablishedSocket>): Promise<void> => {
    // @ts-expect-error the answer is a number
    await server.serveQueue({ messages, callbacks: { add: () => 'text' } });
    // @ts-expect-error a circle has a radius
    await server.serveQueue({ messages, callbacks: { shape: () => ({ type: 'circle' }) } });
    const texts = async function* () {
      yield await Promise.resolve('one');
      return 'done';
    };
    // @ts-expect-error an item is a number
    await server.serveQueue({ messages, callbacks: { count: texts } });
    // @ts-expect-error there is no such message
    await server.serveQueue({ messages, callbacks: { other: () => undefined } });
    // @ts-expect-error there is no such message
    await server.serveQueue({ messages, callbacks: () => ({ other: () => undefined }) });
    await server.serveQueue({
      messages,
      onConnect: async (api) => {
        // @ts-expect-error add has an argument
        await api.call('add');
        expectTypeOf(await api.call('who')).toEqualTypeOf<string>();
      },
    });
  };
  expect(check).toBeTypeOf('function');
});
