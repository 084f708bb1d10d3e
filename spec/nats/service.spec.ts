import { beforeEach, describe, expect, it } from 'vitest';
import { codec } from '../../lib/index.js';
import { NatsService } from '../../lib/nats/nats-service.js';
import type { EncryptedNatsServiceOptions } from '../../lib/nats/service-options.js';
import type { NatsServer } from '../../lib/nats/listen-nats.js';
import type { Callbacks } from '../../lib/net/typed-queues.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { Deferred } from '../../lib/util/wait.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { failure, until } from '../support/sockets.js';

const pin = keys.server.fingerprint;

const messages = {
  whoAmI: codec.request(codec.nothing, codec.string),
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
  hang: codec.request(codec.nothing, codec.string),
  count: codec.stream(codec.int32, codec.int32),
  sum: codec.request(codec.nothing, codec.int32, { body: codec.int32 }),
  note: codec.string,
};

describeNats('a service over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);
  let notes: string[];
  beforeEach(() => {
    notes = [];
  });

  /** An instance of `orders` in this process. */
  async function instance(
    callbacks: Callbacks<typeof messages> = {},
  ): Promise<NatsServer<EstablishedSocket>> {
    const { server } = await nats.instance();
    const { id } = server;
    void server.serveQueue({
      messages,
      callbacks: {
        whoAmI: () => id,
        add: ({ a, b }) => a + b,
        hang: () => new Promise<string>(() => undefined),
        count: async function* (last) {
          for (let n = 1; n <= last; n += 1) yield await Promise.resolve(n);
        },
        sum: async (_nothing, { body }) => {
          let sum = 0;
          for await (const each of body) sum += each;
          return sum;
        },
        note: (text) => {
          notes.push(`${id} ${text}`);
        },
        ...callbacks,
      },
      onError: () => undefined,
    });
    return server;
  }

  async function service(options: EncryptedNatsServiceOptions = {}): Promise<NatsService> {
    const made = new NatsService(await nats.connection(), 'orders', { pin, ...options });
    fixture.onCleanup(() => made.close({ timeout: 0 }));
    return made;
  }

  describe('call and stream', () => {
    it('reach an instance with values, bytes, items and bodies', async () => {
      await instance();
      const made = await service();
      const api = made.typed(messages);
      expect(await api.call('add', { a: 2, b: 3 })).toBe(5);
      const items: number[] = [];
      for await (const item of api.stream('count', 3)) items.push(item);
      expect(items).toEqual([1, 2, 3]);
      expect(await api.call('sum', undefined, { body: [1, 2, 3] })).toBe(6);
      const answer = await made.call('add', (writer) => {
        writer.writeInt32(4);
        writer.writeInt32(5);
      });
      expect(answer.readInt32()).toBe(9);
      const stream = made.stream('count', (writer) => {
        writer.writeInt32(2);
      });
      expect((await stream.next()).value?.readInt32()).toBe(1);
      await stream.return();
    });

    it('open the first session with their first use, also for a stream', async () => {
      const { connections: none } = await instance();
      expect(none).toBe(0);
      const items: number[] = [];
      for await (const item of (await service()).typed(messages).stream('count', 2)) items.push(item);
      expect(items).toEqual([1, 2]);
    });

    it('use at most `sessions` sessions, and a second one only while the first has calls', async () => {
      const server = await instance();
      const api = (await service()).typed(messages);
      for (let n = 0; n < 5; n += 1) await api.call('whoAmI');
      expect(server.connections).toBe(1);
      await Promise.all(Array.from({ length: 100 }, () => api.call('whoAmI')));
      await until(() => server.connections === 2);
      await Promise.all(Array.from({ length: 100 }, () => api.call('whoAmI')));
      expect(server.connections).toBe(2);
    });

    it('reject with the error of the callback, the timeout and the reason of the signal', async () => {
      await instance({
        whoAmI: () => {
          throw new Error('nobody');
        },
      });
      const api = (await service()).typed(messages);
      await failure(api.call('whoAmI'), 'K4NET_REMOTE');
      await failure(api.call('whoAmI', undefined, { repeatable: true }), 'K4NET_REMOTE');
      const late = await failure(api.call('hang', undefined, { timeout: 20 }), 'K4NET_TIMEOUT');
      expect(late.message).toBe("'hang' was not answered within 20 ms (timeout)");
      const stop = new AbortController();
      const hanging = api.call('hang', undefined, { signal: stop.signal, repeatable: true });
      stop.abort(new Error('enough'));
      await expect(hanging).rejects.toThrow('enough');
      const aborted = api.call('whoAmI', undefined, { signal: stop.signal });
      await expect(aborted).rejects.toThrow('enough');
    });

    it('make a call again that an instance refuses because it closes', async () => {
      const held = new Deferred<string>();
      const closing = await instance({ hang: () => held.promise });
      const made = await service({ sessions: 1 });
      const api = made.typed(messages);
      const hanging = api.call('hang');
      await api.call('whoAmI');
      const other = await instance();
      const closed = closing.close();
      // The session stays open until `hang` is answered, and refuses other calls.
      expect(await api.call('whoAmI')).toBe(other.id);
      held.resolve('answered');
      expect(await hanging).toBe('answered');
      await closed;
    });

    it('reject with K4NET_CONNECT when no instance is there', async () => {
      const api = (await service({ retry: false })).typed(messages);
      await failure(api.call('whoAmI'), 'K4NET_CONNECT');
      await failure(api.stream('count', 1).next(), 'K4NET_CONNECT');
      let ended = false;
      const body = (function* () {
        try {
          yield 1;
        } finally {
          ended = true;
        }
      })();
      body.next();
      await failure(api.call('sum', undefined, { body }), 'K4NET_CONNECT');
      expect(ended).toBe(true);
    });

    it('reject with K4NET_KEY_MISMATCH for a false instance, also a repeatable call', async () => {
      const { errors } = await nats.instance({ key: keys.other });
      const api = (await service()).typed(messages);
      await failure(api.call('whoAmI', undefined, { repeatable: true }), 'K4NET_KEY_MISMATCH');
      await until(() => errors.length === 1);
    });

    it('reject with K4NET_BUSY when maxWaiting calls wait for a session', async () => {
      await instance();
      const api = (await service({ maxWaiting: 2 })).typed(messages);
      const waiting = [api.call('whoAmI'), api.call('whoAmI')];
      const error = await failure(api.call('whoAmI'), 'K4NET_BUSY');
      expect(error.message).toBe('2 calls wait for a session with nats:orders (maxWaiting)');
      // A stream does not throw it.
      await failure(api.stream('count', 1).next(), 'K4NET_BUSY');
      await Promise.all(waiting);
    });

    it('reject a repeatable call with a body that can be read only once', async () => {
      await instance();
      const api = (await service()).typed(messages);
      const body = [1, 2, 3];
      expect(await api.call('sum', undefined, { body, repeatable: true })).toBe(6);
      const once = api.call('sum', undefined, { body: body.values(), repeatable: true });
      await expect(once).rejects.toThrow(TypeError);
    });

    it('drop messages without a name that an instance sends', async () => {
      const { server } = await nats.instance();
      void server.serveQueue({
        messages,
        callbacks: { whoAmI: () => server.id },
        onConnect: async ({ socket }) => {
          for (let n = 0; n < 100; n += 1) await socket.send(new Uint8Array(64 * 1024));
        },
      });
      const made = await service({ sessions: 1, maxQueuedBytes: 100_000 });
      for (let n = 0; n < 100; n += 1) expect(await made.typed(messages).call('whoAmI')).toBe(server.id);
    });
  });

  describe('callAll', () => {
    it('gives the answer of every instance, and then ends', async () => {
      const ids = [await instance(), await instance(), await instance()].map(({ id }) => id);
      const api = (await service()).typed(messages);
      for (let round = 0; round < 2; round += 1) {
        const answers: (string | undefined)[] = [];
        for await (const { instance: id, answer } of api.callAll('whoAmI')) {
          expect(answer).toBe(id);
          answers.push(answer);
        }
        expect(answers.sort()).toEqual(ids.sort());
      }
    });

    it('gives an error for an instance that throws, hangs, or is false', async () => {
      const good = await instance({ hang: () => 'fine' });
      const throwing = await instance({
        hang: () => {
          throw new Error('no');
        },
      });
      const hanging = await instance();
      const { server: wrong } = await nats.instance({ key: keys.other });
      const made = await service();
      const seen = new Map<string, string | undefined>();
      for await (const { instance: id, answer, error } of made
        .typed(messages)
        .callAll('hang', undefined, { timeout: 1_000 })) {
        seen.set(id, error ? (error as { code?: string }).code : answer);
      }
      const expected = [
        [good.id, 'fine'],
        [throwing.id, 'K4NET_REMOTE'],
        [hanging.id, 'K4NET_TIMEOUT'],
        [wrong.id, 'K4NET_KEY_MISMATCH'],
      ] as const;
      expect([...seen].sort()).toEqual([...expected].sort());
    });

    it('gives nothing when nobody is there, and throws K4NET_CONNECT when NATS is away', async () => {
      const nc = await nats.connection();
      const made = new NatsService(nc, 'orders', { pin });
      for await (const each of made.callAll('whoAmI')) expect(each).toBe(undefined);
      await nc.close();
      await failure(made.callAll('whoAmI').next(), 'K4NET_CONNECT');
      await failure(made.sendAll('note'), 'K4NET_CONNECT');
      await failure(made.instances(), 'K4NET_CONNECT');
      await made.close();
    });

    it('ends with the reason of its signal, and cancels the calls when the loop breaks', async () => {
      let aborted = 0;
      const hang = (_nothing: void, { signal }: { readonly signal: AbortSignal }): Promise<string> =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted += 1;
            resolve('');
          });
        });
      await instance({ hang, whoAmI: () => '' });
      await instance({ hang });
      const api = (await service()).typed(messages);
      const stop = new AbortController();
      const waiting = api.callAll('hang', undefined, { signal: stop.signal });
      const next = waiting.next();
      const other = api.callAll('hang');
      const otherNext = other.next();
      for await (const { error } of api.callAll('whoAmI')) expect(error).toBe(undefined);
      stop.abort(new Error('enough'));
      await expect(next).rejects.toThrow('enough');
      await other.return?.();
      expect((await otherNext).done).toBe(true);
      await until(() => aborted === 4);
    });
  });

  describe('sendAll', () => {
    it('sends a message to every instance', async () => {
      const ids = [await instance(), await instance()].map(({ id }) => id);
      const api = (await service()).typed(messages);
      const sent = await api.sendAll('note', 'hello');
      expect(sent.map((each) => each.instance).sort()).toEqual(ids.sort());
      expect(sent.every(({ error }) => error === undefined)).toBe(true);
      await until(() => notes.length === 2);
      expect(notes.sort()).toEqual(ids.map((id) => `${id} hello`).sort());
    });

    it('waits for an instance that does not read, and sends to the others', async () => {
      const { server: deaf } = await nats.instance();
      void deaf.serve(async (socket) => {
        await socket.closed;
      });
      const reading = await instance();
      const api = (await service()).typed(messages);
      const text = 'x'.repeat(256 * 1024);
      let sent = 0;
      for (let late: unknown; late === undefined;) {
        const all = await api.sendAll('note', text, { timeout: 500 });
        expect(all.map((each) => each.instance).sort()).toEqual([deaf.id, reading.id].sort());
        expect(all.find((each) => each.instance === reading.id)?.error).toBe(undefined);
        late = all.find((each) => each.instance === deaf.id)?.error;
        if (late !== undefined) expect(late).toMatchObject({ code: 'K4NET_TIMEOUT' });
        sent += 1;
      }
      expect(sent).toBeLessThan(32);
      await until(() => notes.length === sent);
    });
  });

  describe('close', () => {
    it('rejects everything that waits with K4NET_CLOSED, and everything later', async () => {
      const server = await instance();
      const made = await service();
      const api = made.typed(messages);
      await api.call('whoAmI');
      const waiting = [
        api.call('hang'),
        api.call('hang', undefined, { repeatable: true }),
        api.stream('count', 1_000_000).answer,
        made.instances({ timeout: 60_000 }),
      ];
      const all = api.callAll('hang');
      const first = all.next();
      await until(() => server.connections > 2);
      const failures = Promise.all(waiting.map((each) => failure(each, 'K4NET_CLOSED')));
      // The callbacks of the instance run on.
      await Promise.all([made.close({ timeout: 100 }), failures]);
      expect((await first).value?.error).toMatchObject({ code: 'K4NET_CLOSED' });
      expect((await all.next()).done).toBe(true);
      await failure(api.call('whoAmI'), 'K4NET_CLOSED');
      await failure(api.sendAll('note', ''), 'K4NET_CLOSED');
      await failure(made.instances(), 'K4NET_CLOSED');
      expect(() => api.callAll('whoAmI')).toThrow('closed');
      expect(() => api.stream('count', 1)).toThrow('closed');
      await until(() => server.connections === 0);
      await made.close();
    });

    it('rejects calls that wait for a session, and leaves no session behind', async () => {
      const server = await instance();
      const made = await service();
      const calling = failure(made.call('whoAmI'), 'K4NET_CLOSED');
      await made.close();
      await calling;
      await until(() => server.connections === 0);
    });
  });

  describe('options', () => {
    it.each([
      ['an unknown option', { port: 1 }],
      ['the signal of connectNats', { signal: new AbortController().signal }],
      ['a dispatch', { dispatch: 'manual' }],
      ['sessions that are no number', { sessions: '2' }],
      ['a security option that is undefined', { pin: undefined }],
    ])('rejects %s with a TypeError', async (_what, options) => {
      const nc = await nats.connection();
      expect(() => new NatsService(nc, 'orders', { pin, ...options } as never)).toThrow(TypeError);
    });

    it('rejects numbers out of range with a RangeError, and a wrong name with a TypeError', async () => {
      const nc = await nats.connection();
      expect(() => new NatsService(nc, 'orders', { pin, sessions: 0 })).toThrow(RangeError);
      expect(() => new NatsService(nc, 'or.ders', { pin })).toThrow(TypeError);
      const made = await service();
      await expect(made.call('')).rejects.toThrow(RangeError);
      await expect(made.call('a', 'b', { repeat: true } as never)).rejects.toThrow(TypeError);
      expect(() => made.callAll('a', 'b', { timeout: -1 })).toThrow(RangeError);
    });

    it('can be plain', async () => {
      const { listenNats } = await import('../../lib/nats/listen-nats.js');
      const server = await listenNats(await nats.connection(), 'plain', { plain: true });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      void server.serveQueue({ messages, callbacks: { whoAmI: () => server.id } });
      const made = new NatsService(await nats.connection(), 'plain', { plain: true });
      fixture.onCleanup(() => made.close({ timeout: 0 }));
      expect(await made.typed(messages).call('whoAmI')).toBe(server.id);
    });
  });
});
