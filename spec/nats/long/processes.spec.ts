import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats, type EncryptedConnectNatsOptions } from '../../../lib/nats/connect-nats.js';
import { listenNats } from '../../../lib/nats/listen-nats.js';
import type { EstablishedSocket } from '../../../lib/sockets/encrypted-socket.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { measured, stopwatch } from '../../support/measured.js';
import { describeNats } from '../../support/nats.js';
import { startCluster } from '../../support/nats-cluster.js';
import { NatsPeer } from '../../support/nats-peer.js';
import type { NatsServerProcess } from '../../support/nats-server.js';
import { failure, textOf } from '../../support/sockets.js';

const pin = keys.server.fingerprint;

describeNats('in a cluster of three nats-servers', () => {
  const fixture = useFixture();
  let servers: NatsServerProcess[];
  // The peers run the built package.
  beforeAll(needDist);
  beforeAll(async () => {
    servers = await startCluster(3);
  });
  afterAll(async () => {
    for (const each of servers) await each.stop();
  });

  /** A connection to one of the servers. */
  async function connection(index: number): Promise<NatsConnection> {
    const nc = await servers[index]!.connect();
    fixture.onCleanup(() => nc.close());
    return nc;
  }

  /** A client with a NATS connection of its own to the second server. */
  async function client(options: EncryptedConnectNatsOptions = {}): Promise<EstablishedSocket> {
    // The server of the client gets to know a new instance a little later.
    const retry = { retries: Infinity, minDelay: 10, maxDelay: 100 };
    const nc = await connection(1);
    const sock = fixture.keep(await connectNats(nc, 'orders', { pin, retry, timeout: 10_000, ...options }));
    await sock.send('hello');
    expect(textOf(await sock.recv())).toBe('hello');
    return sock;
  }

  const instance = (): Promise<NatsPeer> =>
    NatsPeer.start(fixture, { role: 'instance', servers: [servers[0]!.url] });

  describe('an instance', () => {
    it('that is killed makes sessions fail with K4NET_CONNECTION, and new ones go elsewhere', async () => {
      const dying = await instance();
      const busy = await client({ instance: dying.id });
      const idle = await client({ instance: dying.id });
      const other = await instance();
      await dying.kill();
      const since = stopwatch();
      // NATS says that nobody listens, so nobody waits for `heartbeat.timeout`.
      const idleFails = failure(idle.recv(), 'K4NET_CONNECTION').then(() => since());
      await busy.send('nobody hears this');
      await failure(busy.recv(), 'K4NET_CONNECTION');
      measured('instance SIGKILLed, data to send', `${since()} ms`);
      measured('instance SIGKILLed, idle', `${await idleFails} ms`);
      await client();
      expect(await other.ask('sessions')).toBe(1);
    });

    it('that is stopped makes sessions fail with K4NET_TIMEOUT, and gets a reset when it goes on', async () => {
      const stopped = await instance();
      const sock = await client({ instance: stopped.id });
      stopped.signal('SIGSTOP');
      const since = stopwatch();
      await failure(sock.recv(), 'K4NET_TIMEOUT');
      measured('instance SIGSTOPped', `${since()} ms`);
      stopped.signal('SIGCONT');
      while ((await stopped.ask('sessions')) !== 0);
      await client({ instance: stopped.id });
    });

    it('that closes makes sessions fail with K4NET_CLOSED, and new ones go elsewhere', async () => {
      const closing = await instance();
      const sock = await client({ instance: closing.id });
      const other = await instance();
      const since = stopwatch();
      const closed = closing.ask('close');
      await failure(sock.recv(), 'K4NET_CLOSED');
      measured('instance closes', `${since()} ms`);
      await sock.close();
      await closed;
      expect(await closing.exited).toEqual([0, null]);
      await client();
      expect(await other.ask('sessions')).toBe(1);
    });
  });

  describe('a client that is killed', () => {
    it('makes its session fail with K4NET_CONNECTION at the instance', async () => {
      const server = await listenNats(await connection(0), 'orders', { key: keys.server });
      fixture.onCleanup(() => server.close({ timeout: 0 }));
      const options = { retry: { retries: 100, minDelay: 10 } };
      const peer = await NatsPeer.start(fixture, { role: 'client', servers: [servers[1]!.url], options });
      const accepted = (await server[Symbol.asyncIterator]().next()).value!;
      expect(textOf(await accepted.recv())).toBe('hello');
      await peer.kill();
      const since = stopwatch();
      await failure(accepted.recv(), 'K4NET_CONNECTION');
      measured('client SIGKILLed, idle', `${since()} ms`);
      expect(server.connections).toBe(0);
    });
  });
});
