import { expect, it } from 'vitest';
import { connectNats } from '../../lib/nats/connect-nats.js';
import type { NatsConnectionLike } from '../../lib/nats/nats-connection.js';
import { useFixture } from '../support/fixture.js';
import { keys } from '../support/keys.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';
import { pattern, same } from '../support/random.js';

describeNats('max_payload of the NATS server', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { config: 'max_payload: 2048' });

  it('limits the frames, not the messages', async () => {
    await nats.echo();
    const client = await nats.client();
    const message = pattern(300_000);
    await client.send(message);
    expect(same(await client.recv(), message)).toBe(true);
  });

  it.each([0, 10, -1, Number.NaN, '1000'])('as %j stops nothing', async (max) => {
    await nats.echo();
    const nc = await nats.connection();
    const lying = new Proxy(nc, {
      get: (target, name) => {
        if (name === 'info') return { max_payload: max };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }) as NatsConnectionLike;
    const pin = keys.server.fingerprint;
    const client = fixture.keep(await connectNats(lying, 'orders', { pin }));
    const message = pattern(20_000);
    await client.send(message);
    expect(same(await client.recv(), message)).toBe(true);
  });
});
