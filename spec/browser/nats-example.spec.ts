import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Instances } from '../../docs/examples/nats/instances.js';
import { startNatsServer } from '../../docs/examples/nats/nats-server.js';
import { site } from '../../docs/examples/nats/site.js';
import { needDist } from '../support/dist.js';
import { describeNats } from '../support/nats.js';
import { startChromium } from './chromium.js';

needDist();

/** The part of Playwright's pages that the tests need. */
interface Tab {
  on(event: 'pageerror', listener: (error: unknown) => void): void;
  goto(url: string): Promise<unknown>;
  fill(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  innerText(selector: string): Promise<string>;
}

describeNats('the page of the example over NATS', () => {
  const cleanup: (() => unknown)[] = [];
  let chromium: Awaited<ReturnType<typeof startChromium>>;
  let servers: string;
  let pin: string;

  beforeAll(async () => {
    const nats = await startNatsServer();
    cleanup.push(() => nats.stop());
    servers = nats.webSocketUrl;
    const folder = await mkdtemp(join(tmpdir(), 'k4net-page-'));
    cleanup.push(() => rm(folder, { recursive: true }));
    const instances = new Instances({ NATS_URL: nats.url, KEY: join(folder, 'factors') });
    cleanup.push(() => instances.close());
    pin = await instances.start();
    await Promise.all([instances.start(), instances.start()]);
    chromium = await startChromium();
    cleanup.push(() => chromium.close());
  });
  afterAll(async () => {
    for (const each of cleanup.reverse()) await each();
  });

  /** Opens the page with this pin of the service. */
  async function open(service: { readonly pin: string }): Promise<{ tab: Tab; problems: string[] }> {
    const server = await site({ servers, ...service });
    if (!server) throw new Error('esbuild is not installed');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const problems: string[] = [];
    const tab = (await (await chromium.newContext()).newPage()) as unknown as Tab;
    tab.on('pageerror', (error) => problems.push(String(error)));
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return { tab, problems };
  }

  it('calls the service, shows its instances, and loses no call when one crashes', async () => {
    const { tab, problems } = await open({ pin });
    const text = (selector: string) => expect.poll(() => tab.innerText(selector), { timeout: 30_000 });
    await text('#answer').toMatch(/^123456 = 2 × 2 × 2 × 2 × 2 × 2 × 3 × 643, says instance [ABC]$/);
    await text('#instances').toMatch(/Instance A[^]*Instance B[^]*Instance C/);
    await tab.click('#run');
    await text('#answered').toMatch(/^[1-9]\d{2}/);
    await tab.click('#crash');
    await text('#status').toMatch(/^The call that crashed it: /);
    await text('#instances').toContain('Instance D');
    await tab.fill('#number', '4294967295');
    await tab.click('#ask button');
    await text('#answer').toMatch(/^4294967295 = 3 × 5 × 17 × 257 × 65537, says instance [A-D]$/);
    await tab.click('#run');
    expect(await tab.innerText('#lost')).toBe('0');
    expect(problems).toEqual([]);
  });

  it('calls no service that has another key than the pin', async () => {
    const { tab } = await open({ pin: `sha256:${'0'.repeat(64)}` });
    const answer = expect.poll(() => tab.innerText('#answer'), { timeout: 30_000 });
    await answer.toContain(`the server has the key ${pin}, but the expected key is sha256:000`);
  });
});
