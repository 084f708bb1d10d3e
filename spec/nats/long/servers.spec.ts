import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats } from '../../../lib/nats/connect-nats.js';
import type { EstablishedSocket } from '../../../lib/sockets/encrypted-socket.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { measured, stopwatch } from '../../support/measured.js';
import { describeNats } from '../../support/nats.js';
import { clustered, startCluster } from '../../support/nats-cluster.js';
import { NatsPeer } from '../../support/nats-peer.js';
import { NatsServerProcess } from '../../support/nats-server.js';
import { pattern, same } from '../../support/random.js';
import { failure, textOf, until } from '../../support/sockets.js';

const pin = keys.server.fingerprint;
const retry = { retries: Infinity, minDelay: 10, maxDelay: 100 };

/** A session that sends messages one after the other, each when the last one has come back. */
class BusySession {
  readonly #sock: EstablishedSocket;
  readonly #done: Promise<void>;
  #stop = false;
  /** Messages that have come back. */
  answered = 0;
  /** Why it failed. */
  failed: unknown;

  constructor(sock: EstablishedSocket) {
    this.#sock = sock;
    this.#done = this.#run().catch((error: unknown) => {
      this.failed = error;
    });
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      const text = String(this.answered);
      await this.#sock.send(text);
      if (textOf(await this.#sock.recv()) !== text) throw new Error(`${text} is missing`);
      this.answered += 1;
    }
  }
}

describeNats('in a cluster of three nats-servers', () => {
  const fixture = useFixture();
  let servers: NatsServerProcess[];
  let nc: NatsConnection;
  // The instance runs the built package.
  beforeAll(needDist);
  beforeEach(async () => {
    servers = await startCluster(3, 'lame_duck_duration: "30s"\nlame_duck_grace_period: "500ms"');
    const urls = servers.map(({ url }) => url);
    await NatsPeer.start(fixture, { role: 'instance', servers: urls });
    nc = await servers[1]!.connect({ servers: [urls[1]!, urls[2]!, urls[0]!], noRandomize: true });
    fixture.onCleanup(() => nc.close());
  });
  afterEach(async () => {
    for (const each of servers) await each.stop();
  });

  function open(count: number): Promise<EstablishedSocket[]> {
    const one = async (): Promise<EstablishedSocket> =>
      fixture.keep(await connectNats(nc, 'orders', { pin, retry, timeout: 10_000 }));
    return Promise.all(Array.from({ length: count }, one));
  }

  /** Waits until each session has sent a new message and got it back. */
  async function allGoOn(sessions: readonly BusySession[]): Promise<void> {
    // The answer to one message can have been under way already.
    const goals = sessions.map(({ answered }) => answered + 2);
    await until(() =>
      sessions.every((each, index) => each.failed !== undefined || each.answered >= goals[index]!),
    );
  }

  /** Expects that no session has failed, and that the idle ones still work. */
  async function expectAlive(
    busy: readonly BusySession[],
    idle: readonly EstablishedSocket[] = [],
  ): Promise<void> {
    await Promise.all(busy.map((each) => each.stop()));
    expect(busy.map(({ failed }) => failed).filter((each) => each !== undefined)).toEqual([]);
    for (const sock of idle) {
      await sock.send('still here');
      expect(textOf(await sock.recv())).toBe('still here');
    }
  }

  it('a killed server of either side breaks no session of 40 busy and 40 idle ones', async () => {
    const idle = await open(40);
    const busy = (await open(40)).map((sock) => new BusySession(sock));
    await allGoOn(busy);
    for (const [side, server] of [
      ['client', servers[1]!],
      ['instance', servers[0]!],
    ] as const) {
      await server.kill();
      const since = stopwatch();
      await allGoOn(busy);
      measured(`nats-server of the ${side} SIGKILLed, all 40 busy sessions go on`, `${since()} ms`);
      await server.start();
      await clustered(servers);
    }
    expect(nc.getServer()).not.toBe(new URL(servers[1]!.url).host);
    await expectAlive(busy, idle);
  });

  it('the lame duck of each server in turn breaks no session of 10 busy ones', async () => {
    const busy = (await open(10)).map((sock) => new BusySession(sock));
    await allGoOn(busy);
    const since = stopwatch();
    for (const server of servers) {
      server.signal('SIGUSR2');
      await server.gone();
      await allGoOn(busy);
      await server.start();
      await clustered(servers);
    }
    measured('lame duck of 3 nats-servers in turn, with restarts', `${since()} ms`);
    await expectAlive(busy);
  });
});

describeNats('the only nats-server', () => {
  const fixture = useFixture();
  let server: NatsServerProcess;
  let nc: NatsConnection;
  let sock: EstablishedSocket;
  beforeAll(needDist);
  beforeEach(async () => {
    server = await NatsServerProcess.start();
    await NatsPeer.start(fixture, { role: 'instance', servers: [server.url] });
    nc = await server.connect();
    fixture.onCleanup(() => nc.close());
    sock = fixture.keep(await connectNats(nc, 'orders', { pin }));
  });
  afterEach(() => server.stop());

  it('that is away for 2 s breaks no session, and 3 MB that were sent meanwhile come back', async () => {
    await server.kill();
    const large = pattern(3_000_000);
    const back = sock.recv();
    const sent = sock.send(large);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await server.start();
    const since = stopwatch();
    expect(same(await back, large)).toBe(true);
    measured('the only nats-server away for 2 s, 3 MB sent meanwhile are back after', `${since()} ms`);
    await sent;
  });

  it('that is away for longer than heartbeat.timeout makes sessions fail with K4NET_TIMEOUT', async () => {
    await server.kill();
    const since = stopwatch();
    const fails = failure(sock.recv(), 'K4NET_TIMEOUT').then(() => since());
    await failure(connectNats(nc, 'orders', { pin, retry: false }), 'K4NET_CONNECT');
    measured('connectNats while NATS is away fails by', `${since()} ms`);
    measured('the only nats-server away, session fails after', `${await fails} ms`);
    await server.start();
    fixture.keep(await connectNats(nc, 'orders', { pin, retry }));
  });
});
