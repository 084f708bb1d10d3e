import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { needDist } from '../../support/dist.js';
import { useFixture } from '../../support/fixture.js';
import { describeNats } from '../../support/nats.js';

// The programs import the package from dist.
needDist();

const fixture = useFixture();
const program = fileURLToPath(new URL('../../../docs/examples/nats/demo.js', import.meta.url));

/** Starts the demo. The fixture ends it. */
function startDemo(environment: NodeJS.ProcessEnv): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  fixture.onCleanup(() => child.kill('SIGTERM'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, output: () => output };
}

it('the demo says what to install if there is no nats-server, and exits with 1', async () => {
  const { child, output } = startDemo({ PATH: '', NATS_SERVER: '' });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(output()).toMatch(/^There is no nats-server: put it in PATH, or set NATS_SERVER/);
  expect(output()).toContain('apt-get download nats-server');
});

describeNats('the demo of the example over NATS', () => {
  it('loses no call when an instance is killed and one is drained, and ends all at a signal', async () => {
    const { child, output } = startDemo({});
    const closed = once(child, 'close');
    await expect.poll(output, { timeout: 60_000, interval: 100 }).toMatch(/the same in a page: http:/);
    child.kill('SIGINT');
    expect(await closed).toEqual([0, null]);
    const text = output();
    const [, made, answered, lost] = /(\d+) calls made, (\d+) answered, (\d+) lost/.exec(text) ?? [];
    expect(Number(made)).toBeGreaterThan(100);
    expect(answered).toBe(made);
    expect(lost).toBe('0');
    const killed = /instance (\w) \(process \d+\) is killed/.exec(text)?.[1] ?? '';
    expect(text).toContain(`instance ${killed} has ended: SIGKILL`);
    const drained = /instance (\w) \(process \d+\) gets SIGTERM/.exec(text)?.[1] ?? '';
    expect(text).toContain(`instance ${drained} has ended: drained`);
    // The two that replace them have told their load, and the third.
    const loads = /calls that each instance there has answered: (.*)/.exec(text)?.[1] ?? '';
    expect([...loads.matchAll(/([A-Z]) \d+/g)].map(([, label]) => label)).toHaveLength(3);
    expect(loads).not.toMatch(new RegExp(`[${killed}${drained}] `));
    for (const [, pid] of text.matchAll(/\(process (\d+)\) listens/g))
      expect(() => process.kill(Number(pid), 0), `process ${pid!}`).toThrow('ESRCH');
    expect(text).toMatch(/all has ended\n$/);
  }, 90_000);
});
