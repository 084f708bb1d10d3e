import { Svcm, type ServiceClient } from '@nats-io/services';
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { useFixture } from '../support/fixture.js';
import { describeNats } from '../support/nats.js';
import { useNats } from '../support/nats-fixture.js';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The package has types of NATS of its own. */
function toolsOver(nc: NatsConnection): ServiceClient {
  return new Svcm(nc as never).client({ strategy: 'stall', maxWait: 500 });
}

describeNats('the tools of ADR-32', () => {
  const fixture = useFixture();
  const nats = useNats(fixture);

  it('list and ping the instances of a service, and one by its id', async () => {
    const metadata = { zone: 'a' };
    const servers = [await nats.instance({ version: '1.4.0', metadata }), await nats.instance()];
    const ids = servers.map(({ server }) => server.id).sort();
    const tools = toolsOver(await nats.connection());
    const pings = await all(await tools.ping('orders'));
    expect(pings.map(({ id }) => id).sort()).toEqual(ids);
    expect((await all(await tools.ping())).map(({ id }) => id).sort()).toEqual(ids);
    const { id } = servers[0]!.server;
    expect(await all(await tools.ping('orders', id))).toEqual([
      { type: 'io.nats.micro.v1.ping_response', name: 'orders', id, version: '1.4.0', metadata },
    ]);
    expect(await all(await tools.info('orders', id))).toEqual([
      {
        type: 'io.nats.micro.v1.info_response',
        name: 'orders',
        id,
        version: '1.4.0',
        description: 'k4net sessions',
        metadata,
        endpoints: [{ name: 'sessions', subject: 'k4net.orders.one', queue_group: 'k4net', metadata: {} }],
      },
    ]);
  });

  it('see the sessions of an instance in its stats', async () => {
    const { server } = await nats.instance({ maxSessions: 2 });
    const nc = await nats.connection();
    await nats.client({ instance: server.id }, nc);
    await nats.client({ instance: server.id }, nc);
    await nats.client({ instance: server.id, retry: false }, nc).catch(() => undefined);
    const tools = toolsOver(nc);
    const [stats] = await all(await tools.stats('orders'));
    expect(stats!.endpoints).toEqual([
      expect.objectContaining({
        num_requests: 3,
        num_errors: 1,
        last_error: 'maxSessions reached',
        data: { sessions: 2 },
      }),
    ]);
    expect(Date.parse(stats!.started)).toBeLessThanOrEqual(Date.now());
  });

  it('do not see an instance that has closed', async () => {
    const closing = await nats.instance();
    const nc = await nats.connection();
    const tools = toolsOver(nc);
    expect(await all(await tools.ping('orders'))).toHaveLength(1);
    await closing.server.close();
    await closing.nc.flush();
    let left = 1;
    await all(await tools.ping('orders')).then(
      (found) => (left = found.length),
      () => (left = 0),
    );
    expect(left).toBe(0);
  });
});

const permissions = `
authorization {
  users = [
    { user: server, password: s, permissions: {
      subscribe: ["k4net.orders.one k4net", "k4net.orders.id.>", "$SRV.>", "_INBOX.server.>"]
      publish: ["_INBOX.clients.>"] } }
    { user: alice, password: a, permissions: {
      subscribe: ["_INBOX.clients.alice.>"]
      publish: ["k4net.orders.>", "$SRV.PING.>", "_INBOX.server.>"] } }
    { user: eve, password: e, permissions: {
      subscribe: ["_INBOX.clients.eve.>"]
      publish: ["$SRV.PING.>"] } }
  ]
}`;

describeNats('the smallest set of permissions', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { config: permissions });

  const user = (name: string): Promise<NatsConnection> => nats.connection({ user: name, pass: name[0]! });

  it('is enough for servers and clients', async () => {
    await nats.echo({ inboxPrefix: '_INBOX.server' }, await user('server'));
    const alice = await nats.client({ inboxPrefix: '_INBOX.clients.alice' }, await user('alice'));
    await alice.send('hello');
    expect(new TextDecoder().decode(await alice.recv())).toBe('hello');
  });

  it('makes a violation a typed error', async () => {
    const connect = async (name: string, inboxPrefix: string): Promise<unknown> => {
      const nc = await user(name);
      return nats.client({ inboxPrefix, retry: false, timeout: 5_000 }, nc).catch((error: unknown) => error);
    };
    await nats.echo({ inboxPrefix: '_INBOX.server' }, await user('server'));
    expect(await connect('eve', '_INBOX.clients.eve')).toMatchObject({
      code: 'K4NET_CONNECT',
      message: 'no connection to k4net.orders.one: NATS does not permit to publish to k4net.orders.one',
    });
    expect(await connect('alice', '_INBOX.clients.bob')).toMatchObject({ code: 'K4NET_CONNECT' });
    const listening = nats.instance({ inboxPrefix: '_INBOX.clients.alice' }, await user('alice'));
    expect(await listening.catch((error: unknown) => error)).toMatchObject({ code: 'K4NET_LISTEN' });
  });
});
