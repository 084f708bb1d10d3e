import { beforeAll, expect, it } from 'vitest';
import { codec } from '../../lib/index.js';
import { NatsService } from '../../lib/nats/nats-service.js';
import type { EncryptedNatsServiceOptions } from '../../lib/nats/service-options.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { failure } from '../support/sockets.js';

const pin = keys.server.fingerprint;

const messages = {
  whoAmI: codec.request(codec.nothing, codec.string),
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
  fail: codec.request(codec.nothing, codec.nothing),
  hang: codec.request(codec.nothing, codec.nothing),
  count: codec.stream(codec.int32, codec.int32),
  sum: codec.request(codec.nothing, codec.int32, { body: codec.int32 }),
  note: codec.string,
};

describeNats('a service with instances over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { each: true });
  const notes: string[] = [];
  beforeAll(() => void notes.splice(0));

  /** An instance of `orders` in this process. */
  async function instance(): Promise<string> {
    const { server } = await nats.instance();
    const { id } = server;
    void server.serveQueue({
      messages,
      callbacks: {
        whoAmI: () => id,
        add: ({ a, b }) => a + b,
        fail: () => {
          throw new Error('no');
        },
        hang: () => new Promise<void>(() => undefined),
        count: async function* (last) {
          for (let n = 1; n <= last; n += 1) yield n;
        },
        sum: async (_nothing, { body }) => {
          let sum = 0;
          for await (const each of body) sum += each;
          return sum;
        },
        note: (text) => void notes.push(`${id} ${text}`),
      },
      onError: () => undefined,
    });
    return id;
  }

  async function service(options: EncryptedNatsServiceOptions = {}): Promise<NatsService> {
    const made = new NatsService(await nats.connection(), 'orders', { pin, ...options });
    fixture.onCleanup(() => made.close({ timeout: 0 }));
    return made;
  }

  it('answers calls, streams items and takes bodies over its sessions', async () => {
    await instance();
    const api = (await service()).typed(messages);
    expect(await api.call('add', { a: 2, b: 3 })).toBe(5);
    const items: number[] = [];
    for await (const item of api.stream('count', 3)) items.push(item);
    expect(items).toEqual([1, 2, 3]);
    expect(await api.call('sum', undefined, { body: [1, 2, 3] })).toBe(6);
  });

  it('calls every instance, and the loop ends when each has answered', async () => {
    const ids = [await instance(), await instance(), await instance()];
    const api = (await service()).typed(messages);
    const answers: (string | undefined)[] = [];
    for await (const { instance: id, answer } of api.callAll('whoAmI')) {
      expect(answer).toBe(id);
      answers.push(answer);
    }
    expect(answers.sort()).toEqual(ids.sort());
  });

  it('sends a message to every instance', async () => {
    const ids = [await instance(), await instance()];
    const api = (await service()).typed(messages);
    const sent = await api.sendAll('note', 'hello');
    expect(sent.map((each) => each.instance).sort()).toEqual(ids.sort());
    expect(sent.every(({ error }) => error === undefined)).toBe(true);
    for await (const { error } of api.callAll('whoAmI')) expect(error).toBe(undefined);
    expect(notes.sort()).toEqual(ids.map((id) => `${id} hello`).sort());
  });

  it('rejects calls with K4NET_CONNECT when no instance is there, and with K4NET_CLOSED after close', async () => {
    const empty = await service({ retry: false });
    await failure(empty.call('add'), 'K4NET_CONNECT');
    expect(await empty.instances()).toEqual([]);
    await empty.close();
    await failure(empty.call('add'), 'K4NET_CLOSED');
  });
});
