import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { codec } from '../../../lib/index.js';
import { NatsService } from '../../../lib/nats/nats-service.js';
import type { TypedNatsService } from '../../../lib/nats/typed-nats-service.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { measured, stopwatch } from '../../support/measured.js';
import { describeNats } from '../../support/nats.js';
import { clustered, startCluster } from '../../support/nats-cluster.js';
import { NatsServerProcess } from '../../support/nats-server.js';
import { pattern, same } from '../../support/random.js';

const program = fileURLToPath(new URL('../programs/service-instance.mjs', import.meta.url));
const library = new URL('../../../dist/nats/index.js', import.meta.url).href;
const main = new URL('../../../dist/index.js', import.meta.url).href;

/** Calls during the rolling restart, at least. */
const wantedCalls = Number(process.env['NATS_CALLS'] ?? 3_000);

const messages = {
  double: codec.request(codec.float64, codec.float64),
  reverse: codec.request(codec.bytes, codec.bytes),
};

describeNats('services over NATS', () => {
  const fixture = useFixture();
  // The instances run the built package.
  beforeAll(needDist);

  async function instance(servers: readonly NatsServerProcess[]): Promise<ChildProcess> {
    const keyFile = join(await fixture.folder(), 'key.pem');
    await writeFile(keyFile, keys.server.toPem());
    const urls = servers.map(({ url }) => url).join(',');
    const child = fork(program, [urls, library, main, keyFile]);
    fixture.onCleanup(() => child.kill('SIGKILL'));
    await once(child, 'message');
    return child;
  }

  async function client(
    servers: readonly NatsServerProcess[],
    server: NatsServerProcess,
  ): Promise<TypedNatsService<typeof messages>> {
    const nc = await server.connect({ servers: servers.map(({ url }) => url) });
    fixture.onCleanup(() => nc.close());
    const service = new NatsService(nc, 'orders', { pin: keys.server.fingerprint });
    fixture.onCleanup(() => service.close({ timeout: 0 }));
    return service.typed(messages);
  }

  describe('three instances and a cluster of three nats-servers', () => {
    let servers: NatsServerProcess[];

    beforeEach(async () => {
      servers = await startCluster(3, 'lame_duck_duration: "30s"\nlame_duck_grace_period: "500ms"');
    });
    afterEach(async () => {
      for (const each of servers) await each.stop();
    });

    it('lose no repeatable call while all are restarted in turn', { timeout: 1_200_000 }, async () => {
      const instances = await Promise.all([instance(servers), instance(servers), instance(servers)]);
      const clients = await Promise.all(servers.map((each) => client(servers, each)));
      const since = stopwatch();
      const lost: unknown[] = [];
      let answered = 0;
      let restarts = 0;
      const isOver = (): boolean => lost.length > 0 || (restarts >= 6 && answered >= wantedCalls);
      const load = async (api: TypedNatsService<typeof messages>): Promise<void> => {
        while (!isOver()) {
          const n = answered;
          try {
            expect(await api.call('double', n, { repeatable: true, timeout: 60_000 })).toBe(2 * n);
            answered += 1;
          } catch (error) {
            lost.push(error);
          }
        }
      };
      const loads = clients.flatMap((api) => Array.from({ length: 20 }, () => load(api)));
      for (let nth = 0; !isOver(); nth = (nth + 1) % 3) {
        const exit = once(instances[nth]!, 'exit');
        instances[nth]!.send('close');
        await exit;
        instances[nth] = await instance(servers);
        restarts += 1;
        const server = servers[nth]!;
        server.signal('SIGUSR2');
        await server.gone();
        await server.start();
        await clustered(servers);
        restarts += 1;
      }
      await Promise.all(loads);
      const figure = `${answered} calls, ${restarts} restarts, ${lost.length} lost, ${since()} ms`;
      measured('rolling restart of three instances and three nats-servers', figure);
      expect(lost).toEqual([]);
    });
  });

  it('a call of 3 MB that is made while the only nats-server is away for 2 s is answered', async () => {
    const server = await NatsServerProcess.start();
    fixture.onCleanup(() => server.stop());
    await instance([server]);
    const api = await client([server], server);
    expect(await api.call('double', 1)).toBe(2);
    await server.kill();
    const large = pattern(3_000_000);
    const answer = api.call('reverse', large, { timeout: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await server.start();
    const since = stopwatch();
    expect(same(await answer, large.slice().reverse())).toBe(true);
    measured('the only nats-server away for 2 s, a call of 3 MB is answered after', `${since()} ms`);
  });
});
