import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { codec } from '../../../lib/index.js';
import { NatsService } from '../../../lib/nats/nats-service.js';
import type { EncryptedNatsServiceOptions } from '../../../lib/nats/service-options.js';
import type { TypedNatsService } from '../../../lib/nats/typed-nats-service.js';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { keys } from '../../support/keys.js';
import { describeNats } from '../../support/nats.js';
import { useNats } from '../../support/nats-fixture.js';
import { failure } from '../../support/sockets.js';

const program = fileURLToPath(new URL('../programs/service-instance.mjs', import.meta.url));
const library = new URL('../../../dist/nats/index.js', import.meta.url).href;
const main = new URL('../../../dist/index.js', import.meta.url).href;

/** Calls during the rolling restart, at least. */
const restartCalls = Number(process.env['NATS_CALLS'] ?? 3_000);

const messages = {
  whoAmI: codec.request(codec.nothing, codec.string),
  double: codec.request(codec.float64, codec.float64),
};

interface Instance {
  readonly child: ChildProcess;
  readonly id: string;
}

describeNats('a service whose instances are processes', () => {
  const fixture = useFixture();
  const nats = useNats(fixture, { each: true });

  // The instances run the built package.
  beforeAll(needDist);

  async function instance(): Promise<Instance> {
    const keyFile = join(await fixture.folder(), 'key.pem');
    await writeFile(keyFile, keys.server.toPem());
    const child = fork(program, [nats.server.url, library, main, keyFile]);
    fixture.onCleanup(() => child.kill('SIGKILL'));
    const [id] = (await once(child, 'message')) as [string];
    return { child, id };
  }

  async function kill({ child }: Instance): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async function service(
    options: EncryptedNatsServiceOptions = {},
  ): Promise<TypedNatsService<typeof messages>> {
    const pin = keys.server.fingerprint;
    const made = new NatsService(await nats.connection(), 'orders', { pin, ...options });
    fixture.onCleanup(() => made.close({ timeout: 0 }));
    return made.typed(messages);
  }

  it('rejects a call with K4NET_CONNECTION when its instance is killed, and calls others then', async () => {
    const instances = await Promise.all([instance(), instance()]);
    const api = await service({ sessions: 1 });
    const used = await api.call('whoAmI');
    await kill(instances.find(({ id }) => id === used)!);
    const error = await failure(api.call('whoAmI'), 'K4NET_CONNECTION');
    expect(error.message).toContain("the session of 'whoAmI' broke");
    const other = instances.find(({ id }) => id !== used)!;
    for (let i = 0; i < 3; i += 1) expect(await api.call('whoAmI')).toBe(other.id);
  });

  it('makes a repeatable call again when its instance is killed', async () => {
    const instances = await Promise.all([instance(), instance()]);
    const api = await service({ sessions: 1 });
    const used = await api.call('whoAmI');
    await kill(instances.find(({ id }) => id === used)!);
    const calls = Array.from({ length: 50 }, () => api.call('whoAmI', undefined, { repeatable: true }));
    const other = instances.find(({ id }) => id !== used)!;
    for (const each of await Promise.all(calls)) expect(each).toBe(other.id);
  });

  it('waits with a repeatable call until an instance is there, at most for its timeout', async () => {
    const api = await service({ retry: false });
    const calling = api.call('double', 2, { repeatable: true, timeout: 60_000 });
    const late = api.call('double', 2, { repeatable: true, timeout: 200 });
    await failure(late, 'K4NET_TIMEOUT');
    await instance();
    expect(await calling).toBe(4);
  });

  it('leaves out an instance that was killed from callAll, and finds a new one', async () => {
    const [first, second] = [await instance(), await instance()];
    const api = await service();
    for await (const { error } of api.callAll('whoAmI')) expect(error).toBe(undefined);
    await kill(first);
    const third = await instance();
    const answered = new Set<string>();
    while (answered.size < 2 || answered.has(first.id)) {
      answered.clear();
      for await (const { answer } of api.callAll('whoAmI')) if (answer !== undefined) answered.add(answer);
    }
    expect([...answered].sort()).toEqual([second.id, third.id].sort());
  });

  it('loses no repeatable call in a rolling restart under load', { timeout: 1_200_000 }, async () => {
    const instances = await Promise.all([instance(), instance(), instance()]);
    const clients = await Promise.all([service(), service()]);
    let answered = 0;
    let restarts = 0;
    const isOver = (): boolean => restarts >= instances.length && answered >= restartCalls;
    const load = async (api: TypedNatsService<typeof messages>): Promise<void> => {
      while (!isOver()) {
        const n = answered;
        expect(await api.call('double', n, { repeatable: true })).toBe(2 * n);
        answered += 1;
      }
    };
    const loads = clients.flatMap((api) => Array.from({ length: 32 }, () => load(api)));
    for (let nth = 0; !isOver(); nth = (nth + 1) % instances.length) {
      const exit = once(instances[nth]!.child, 'exit');
      instances[nth]!.child.send('close');
      await exit;
      instances[nth] = await instance();
      restarts += 1;
    }
    await Promise.all(loads);
    if (process.env['NATS_CALLS'] !== undefined)
      console.log(`${answered} calls, ${restarts} restarts, none lost`);
    expect(answered).toBeGreaterThanOrEqual(restartCalls);
  });
});
