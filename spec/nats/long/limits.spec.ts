import { afterEach, beforeAll, expect, it } from 'vitest';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats } from '../../../lib/nats/connect-nats.js';
import type { EstablishedSocket } from '../../../lib/sockets/encrypted-socket.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { inMib, measured, stopwatch } from '../../support/measured.js';
import { describeNats } from '../../support/nats.js';
import { monitored } from '../../support/nats-cluster.js';
import { NatsPeer, type Memory } from '../../support/nats-peer.js';
import { NatsServerProcess } from '../../support/nats-server.js';
import { textOf, watch } from '../../support/sockets.js';

const pin = keys.server.fingerprint;
const mib = 1024 * 1024;

interface Varz {
  readonly mem: number;
  readonly slow_consumers: number;
}
interface Connz {
  readonly connections: readonly { readonly pending_bytes: number }[];
}

/** Bytes that a nats-server holds for its slowest client. */
async function pendingIn(server: NatsServerProcess): Promise<number> {
  const { connections } = await server.monitor<Connz>('/connz?sort=pending&limit=1');
  return connections[0]?.pending_bytes ?? 0;
}

describeNats('a nats-server', () => {
  const fixture = useFixture();
  let server: NatsServerProcess;
  // The peers run the built package.
  beforeAll(needDist);
  const start = async (config: string = ''): Promise<void> => {
    server = await NatsServerProcess.start(`${monitored}\n${config}`);
  };
  afterEach(() => server.stop());

  const instance = (behaviour: 'echo' | 'length' | 'stopped'): Promise<NatsPeer> =>
    NatsPeer.start(fixture, { role: 'instance', servers: [server.url], behaviour });

  async function connection(): Promise<NatsConnection> {
    const nc = await server.connect();
    fixture.onCleanup(() => nc.close());
    return nc;
  }

  /** @param shared - the connection of all clients. Default: each has one of its own. */
  async function open(count: number, shared?: NatsConnection): Promise<EstablishedSocket[]> {
    const clients: EstablishedSocket[] = [];
    let left = count;
    const openSome = async (): Promise<void> => {
      for (; left > 0;) {
        left -= 1;
        clients.push(await connectNats(shared ?? (await connection()), 'orders', { pin, timeout: 30_000 }));
      }
    };
    await Promise.all(Array.from({ length: 32 }, openSome));
    fixture.onCleanup(() => {
      for (const each of clients) void each.abort();
    });
    return clients;
  }

  /** Sends messages, and expects an answer to each. */
  async function exchange(sock: EstablishedSocket, count: number, message: Uint8Array): Promise<void> {
    const receiving = (async () => {
      for (let left = count; left > 0; left -= 1) {
        const answer = textOf(await sock.recv());
        if (answer !== String(message.length)) throw new Error(`the answer ${answer} is wrong`);
      }
    })();
    for (let left = count; left > 0; left -= 1) await sock.send(message);
    await receiving;
  }

  it('and both processes hold bounded memory for a reader that stops', async () => {
    await start();
    const reader = await instance('stopped');
    const [slow] = await open(1);
    const before = {
      server: (await server.monitor<Varz>('/varz')).mem,
      reader: await reader.ask<Memory>('memory'),
      sender: process.memoryUsage(),
    };
    const piece = new Uint8Array(64 * 1024);
    const total = 64 * mib;
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent += piece.length) await slow!.send(piece);
      await slow!.close();
    })();
    let still = 0;
    for (let last = -1; still < 50; last = sent) {
      // Both processes and the server have their turns.
      await reader.ask('memory');
      await server.monitor('/varz');
      still = sent === last ? still + 1 : 0;
    }
    const after = {
      server: (await server.monitor<Varz>('/varz')).mem,
      reader: await reader.ask<Memory>('memory'),
      sender: process.memoryUsage(),
    };
    expect(sent).toBeLessThan(4 * mib);
    const grown = {
      server: after.server - before.server,
      reader: after.reader.used - before.reader.used,
      sender: after.sender.external - before.sender.external,
    };
    measured('reader stopped: send waits after', inMib(sent));
    for (const [who, bytes] of Object.entries(grown)) measured(`reader stopped: ${who} holds`, inMib(bytes));
    expect(grown.server).toBeLessThan(16 * mib);
    expect(grown.reader).toBeLessThan(8 * mib);
    expect(grown.sender).toBeLessThan(16 * mib);
    expect(await reader.ask('read')).toBe(total);
    await sending;
  });

  it('cuts off no instance that is blocked for 5 s while 1,000 clients send', async () => {
    await start();
    const blocked = await instance('length');
    const since = stopwatch();
    const clients = await open(1000, await connection());
    measured('1,000 encrypted sessions open in', `${since()} ms`);
    // Together more than the 64 MiB at which the server cuts a client off.
    const message = new Uint8Array(16 * 1024);
    await blocked.ask('block', 5_000);
    const exchanging = watch(Promise.all(clients.map((each) => exchange(each, 8, message))));
    let most = 0;
    while (exchanging.state === 'pending') most = Math.max(most, await pendingIn(server));
    expect(exchanging.reason).toBeUndefined();
    measured('instance blocked for 5 s, 1,000 clients send: pending in the broker', inMib(most));
    expect(most).toBeLessThan(60 * mib);
    expect((await server.monitor<Varz>('/varz')).slow_consumers).toBe(0);
    expect(await blocked.ask('sessions')).toBe(1000);
  });

  it('carries 1,000 encrypted sessions that cost each end less than 128 KiB', async () => {
    await start();
    const peers = {
      instance: await instance('echo'),
      client: await NatsPeer.start(fixture, { role: 'client', servers: [server.url] }),
    };
    // The first sessions load code and fill caches.
    await peers.client.ask('open', 23);
    const memories = async (): Promise<Memory[]> => [
      await peers.instance.ask<Memory>('memory'),
      await peers.client.ask<Memory>('memory'),
    ];
    const before = await memories();
    await peers.client.ask('open', 1000);
    expect(await peers.instance.ask('sessions')).toBe(1024);
    const after = await memories();
    Object.keys(peers).forEach((who, index) => {
      const used = (after[index]!.used - before[index]!.used) / 1000;
      const rss = (after[index]!.rss - before[index]!.rss) / 1000;
      const figure = `${(used / 1024).toFixed(1)} KiB used, ${(rss / 1024).toFixed(1)} KiB of RSS`;
      measured(`1,000 encrypted sessions, each at the ${who}`, figure);
      expect(used).toBeLessThan(128 * 1024);
    });
  });

  it('that cuts off an instance which is blocked beyond write_deadline breaks no session', async () => {
    await start('write_deadline: "300ms"');
    const blocked = await instance('length');
    const clients = await open(64, await connection());
    const message = new Uint8Array(16 * 1024);
    // Shorter than the 3 s after which a peer that NATS does not know counts as gone.
    await blocked.ask('block', 1_500);
    await Promise.all(clients.map((each) => exchange(each, 64, message)));
    const { slow_consumers: cuts } = await server.monitor<Varz>('/varz');
    measured('instance blocked beyond write_deadline: cuts by the broker', String(cuts));
    expect(cuts).toBeGreaterThan(0);
    expect(await blocked.ask('sessions')).toBe(64);
  });

  it('that cuts off an instance at max_pending breaks no session', async () => {
    await start('max_pending: 1MB');
    // The server makes a connection that publishes wait when much is pending: one is too few.
    const blocked = await instance('length');
    const clients = await open(64);
    const message = new Uint8Array(16 * 1024);
    // Shorter than the 3 s after which a peer that NATS does not know counts as gone.
    await blocked.ask('block', 1_500);
    await Promise.all(clients.map((each) => exchange(each, 64, message)));
    const { slow_consumers: cuts } = await server.monitor<Varz>('/varz');
    measured('instance blocked beyond max_pending: cuts by the broker', String(cuts));
    expect(cuts).toBeGreaterThan(0);
    expect(await blocked.ask('sessions')).toBe(64);
  });
});
