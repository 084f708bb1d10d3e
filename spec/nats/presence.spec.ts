import { expect, it } from 'vitest';
import { codec } from '../../lib/index.js';
import { connectNats } from '../../lib/nats/connect-nats.js';
import { NatsService } from '../../lib/nats/nats-service.js';
import { instanceIn } from '../../lib/nats/ping.js';
import { randomId } from '../../lib/nats/subjects.js';
import { listen } from '../../lib/net/listen.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { textOf } from '../support/sockets.js';

const pin = keys.server.fingerprint;
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const messages = { whoAmI: codec.request(codec.nothing, codec.string) };

it.each([
  ['no JSON', new TextEncoder().encode('{')],
  ['no object', bytes(null)],
  ['a list', bytes([])],
  ['the name of another service', bytes({ name: 'other', id: 'a', version: '1.0.0' })],
  ['an id with a dot', bytes({ name: 'orders', id: 'a.b', version: '1.0.0' })],
  ['an id with a wildcard', bytes({ name: 'orders', id: '>', version: '1.0.0' })],
  ['an id that is too long', bytes({ name: 'orders', id: 'a'.repeat(129), version: '1.0.0' })],
  ['no version', bytes({ name: 'orders', id: 'a' })],
  ['a version that is too long', bytes({ name: 'orders', id: 'a', version: '1'.repeat(1000) })],
  [
    'more than 64 KiB',
    bytes({ name: 'orders', id: 'a', version: '1.0.0', metadata: { a: 'a'.repeat(70_000) } }),
  ],
])('an answer to PING with %s is no instance', (_what, data) => {
  expect(instanceIn(data, 'orders')).toBe(undefined);
});

it('an answer to PING loses metadata that are no strings, and sets no prototype', () => {
  const text = '{"name":"orders","id":"a","version":"1.0.0","metadata":{"a":"b","n":1,"__proto__":"x"}}';
  const found = instanceIn(new TextEncoder().encode(text), 'orders');
  expect(Object.entries(found!.metadata)).toEqual([
    ['a', 'b'],
    ['__proto__', 'x'],
  ]);
  expect(Object.getPrototypeOf(found!.metadata)).toBe(Object.prototype);
});

describeNats('the presence of instances over NATS', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  it('tells id, version and metadata', async () => {
    const { server } = await nats.instance({ version: '1.2.3', metadata: { zone: 'a' } });
    const service = new NatsService(await nats.connection(), 'orders', { pin });
    const expected = { id: server.id, version: '1.2.3', metadata: { zone: 'a' } };
    expect(await service.instances()).toEqual([expected]);
    await service.close();
  });

  it('of 10,000 false ones is bounded, and does not hide an instance that has a session', async () => {
    const { server } = await nats.instance();
    void server.serveQueue({ messages, callbacks: { whoAmI: () => server.id } });
    const service = new NatsService(await nats.connection(), 'orders', { pin, retry: false });
    fixture.onCleanup(() => service.close({ timeout: 0 }));
    const api = service.typed(messages);
    for await (const { answer } of api.callAll('whoAmI')) expect(answer).toBe(server.id);
    const liar = await nats.connection();
    let asked = 0;
    liar.subscribe('$SRV.PING.orders', {
      callback: (_error, message) => {
        asked += 1;
        for (let n = 0; n < 10_000; n += 1) {
          const fake = { name: 'orders', id: randomId(), version: '1.0.0' };
          message.respond(n % 2 === 0 ? bytes(fake) : '{');
        }
      },
    });
    await liar.flush();
    expect((await service.instances({ timeout: 10_000 })).length).toBe(256);
    let answers = 0;
    let errors = 0;
    // The answers of the first question are old after 2 s.
    while (errors === 0) {
      answers = 0;
      for await (const { answer, error } of api.callAll('whoAmI')) {
        if (error) errors += 1;
        else if (answer === server.id) answers += 1;
      }
      expect(answers).toBe(1);
    }
    expect(asked).toBeGreaterThan(1);
    expect(errors).toBe(255);
  });

  it('of the same false ones, which answer first, leaves out a real one for a short time', async () => {
    const liar = await nats.connection();
    const ids = Array.from({ length: 8 }, () => randomId());
    // Whoever answers first is not known, so the real instance lies before it answers.
    const { server } = await nats.instance({}, liar);
    void server.serveQueue({ messages, callbacks: { whoAmI: () => server.id } });
    const service = new NatsService(await nats.connection(), 'orders', { pin, maxInstances: 8 });
    fixture.onCleanup(() => service.close({ timeout: 0 }));
    const publish = liar.publish.bind(liar);
    liar.publish = (subject, payload, options) => {
      if (Buffer.from(payload as Uint8Array).includes('ping_response')) {
        for (const id of ids) publish(subject, bytes({ name: 'orders', id, version: '1.0.0' }));
      }
      publish(subject, payload, options);
    };
    const api = service.typed(messages);
    const answers: unknown[] = [];
    const all = new Set<string>();
    let rounds = 0;
    while (!answers.includes(server.id)) {
      rounds += 1;
      for await (const { instance, answer } of api.callAll('whoAmI')) {
        all.add(instance);
        answers.push(answer);
      }
    }
    expect(rounds).toBeGreaterThan(1);
    expect(all.size).toBe(9);
  });

  it('of huge answers is bounded in bytes', async () => {
    const service = new NatsService(await nats.connection(), 'orders', { pin });
    const liar = await nats.connection();
    const metadata = { a: 'a'.repeat(60_000) };
    liar.subscribe('$SRV.PING.orders', {
      callback: (_error, message) => {
        for (let n = 0; n < 256; n += 1)
          message.respond(bytes({ name: 'orders', id: randomId(), version: '1.0.0', metadata }));
      },
    });
    await liar.flush();
    const found = await service.instances({ timeout: 10_000 });
    expect(found.length).toBeGreaterThan(0);
    expect(found.length * 60_000).toBeLessThan(4 * 1024 * 1024);
    await service.close();
  });

  /** A server over TCP, and an instance that tells its address. */
  async function direct(key: typeof keys.server): Promise<void> {
    const server = await listen({ port: 0, key, onError: () => undefined });
    fixture.onCleanup(() => server.close({ timeout: 0 }));
    void server.serve(async (socket) => {
      await socket.close('direct');
    });
    const { host, port } = server.address() as { host: string; port: number };
    await nats.instance({ metadata: { direct: `tcp://${host}:${port}` } }).then(({ server: instance }) => {
      void instance.serve(async (socket) => {
        await socket.close('over NATS');
      });
    });
  }

  async function greeting(options: { direct?: boolean }): Promise<string> {
    const nc = await nats.connection();
    const socket = fixture.keep(await connectNats(nc, 'orders', { pin, ...options }));
    return textOf(await socket.recv());
  }

  it('gives a direct address, which a client uses only if it wants to', async () => {
    await direct(keys.server);
    expect(await greeting({})).toBe('over NATS');
    expect(await greeting({ direct: true })).toBe('direct');
  });

  it('gives no direct address that a client uses without the key of the service', async () => {
    await direct(keys.other);
    expect(await greeting({ direct: true })).toBe('over NATS');
  });

  it.each(['tcp://127.0.0.1:1', 'unix:/tmp/none', 'http://127.0.0.1', 'tcp://', 'nonsense'])(
    'gives the direct address %s, and the session goes over NATS',
    async (address) => {
      const { server } = await nats.instance({ metadata: { direct: address } });
      void server.serve(async (socket) => {
        await socket.close('over NATS');
      });
      expect(await greeting({ direct: true })).toBe('over NATS');
    },
  );

  it('rejects direct: true without a pin or a key with a TypeError', async () => {
    const nc = await nats.connection();
    await expect(connectNats(nc, 'orders', { direct: true })).rejects.toThrow("needs 'pin' or 'key'");
    const plain = { plain: true, direct: true } as never;
    await expect(connectNats(nc, 'orders', plain)).rejects.toThrow(TypeError);
  });
});
