import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pool } from '../../docs/examples/pool/pool.js';
import { site, withAddresses } from '../../docs/examples/pool/site.js';
import { needDist } from '../support/dist.js';
import { openPlace, startChromium, type BrowserContext, type Page } from './chromium.js';
import { startSite } from './site.js';

needDist();

const root = new URL('../../', import.meta.url);

/** The modules of a folder, with the address of the library. */
function modulesIn(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(new URL(folder, root)).filter((name) => name.endsWith('.js'));
  return new Map(
    names.map((name) => [name, withAddresses(readFileSync(new URL(folder + name, root), 'utf8'))]),
  );
}

const chromium = await startChromium();
const modules = await startSite({
  '/docs/examples/pool/': modulesIn('docs/examples/pool/'),
  '/spec/examples/': modulesIn('spec/examples/'),
  '/spec/browser/page/': modulesIn('spec/browser/page/'),
  '/k4net/': new URL('dist/web/', root).pathname,
});
const example = site();
example.listen(0, '127.0.0.1');
await once(example, 'listening');
afterAll(async () => {
  await chromium.close();
  await modules.close();
  example.close();
  example.closeAllConnections();
});

let context: BrowserContext;
let page: Page;
beforeEach(async () => {
  context = await chromium.newContext();
});
afterEach(async () => {
  await context.close();
});

/** The globals that spec/browser/page/pool.js sets. */
interface PoolScope {
  readonly newPool: (options: object) => { readonly pool: Pool; readonly started: () => number };
}

describe('a pool of workers in a page', () => {
  beforeEach(async () => {
    ({ page } = await openPlace(context, modules.origin, '/spec/browser/page/pool.js'));
  });

  it('runs 1,000 tasks, each once, and closes', async () => {
    const outcome = await page.evaluate(async () => {
      const { pool, started } = (globalThis as unknown as PoolScope).newPool({});
      const tasks = Array.from({ length: 1000 }, (_, index) => pool.run('echo', index));
      const results = await Promise.all(tasks);
      const done = pool.workers.reduce((sum, worker) => sum + worker.done, 0);
      await pool.close();
      return { same: results.every((each, index) => each === index), done, started: started() };
    });
    expect(outcome).toEqual({ same: true, done: 1000, started: 2 });
  });

  it('gives a worker that falls behind its share only, and replaces it when it is cancelled', async () => {
    const outcome = await page.evaluate(async () => {
      const { pool, started } = (globalThis as unknown as PoolScope).newPool({ inFlight: 2 });
      const stop = new AbortController();
      const stuck = pool.run('hang', undefined, { signal: stop.signal }).catch((error: unknown) => error);
      let done = 0;
      const others = await new Promise<Promise<unknown>[]>((resolve) => {
        const all: Promise<unknown>[] = Array.from({ length: 1000 }, (_, index) =>
          pool.run('echo', index).then(() => {
            done += 1;
            if (done === 999) resolve(all);
          }),
        );
      });
      const inFlight = pool.workers.map((worker) => worker.inFlight);
      stop.abort('enough');
      const reason = await stuck;
      await Promise.all(others);
      await pool.close();
      return { inFlight, reason, done, started: started() };
    });
    expect(outcome).toEqual({ inFlight: [2, 0], reason: 'enough', done: 1000, started: 2 });
  });

  it('replaces a worker that crashes, and runs the tasks behind the one that failed', async () => {
    const outcome = await page.evaluate(async () => {
      const { pool, started } = (globalThis as unknown as PoolScope).newPool({ size: 1, inFlight: 10 });
      const failed = pool.run('crash', undefined, { retries: 1 }).catch((error: unknown) => error);
      const others = await Promise.all([1, 2, 3].map((each) => pool.run('echo', each)));
      const { code, cause } = (await failed) as { readonly code: string; readonly cause: unknown };
      await pool.close();
      return { code, cause: String(cause), others, started: started() };
    });
    expect(outcome).toMatchObject({ code: 'WORKER_CRASHED', others: [1, 2, 3], started: 3 });
    expect(outcome.cause).toContain('crashed on request');
  });
});

/** The part of Playwright's pages that the tests need beside that of the harness. */
interface Tab extends Page {
  click(selector: string): Promise<void>;
  innerText(selector: string): Promise<string>;
}

describe('the page of the pool', () => {
  it('draws the same picture when a worker crashes meanwhile, and stops when it is told to', async () => {
    page = await context.newPage();
    const tab = page as Tab;
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    const status = (): Promise<string> => tab.innerText('#status');
    const picture = (): Promise<string> =>
      page.evaluate(() => {
        const { document } = globalThis as unknown as {
          document: { getElementById(id: string): { toDataURL(): string } };
        };
        return document.getElementById('picture').toDataURL();
      });
    await page.goto(`http://127.0.0.1:${(example.address() as AddressInfo).port}/`);
    await expect.poll(status, { timeout: 30_000 }).toBe('Done');
    const first = await picture();
    await tab.click('#again');
    await tab.click('#crash');
    await expect.poll(() => tab.innerText('#crashes'), { timeout: 30_000 }).toBe('1');
    await expect.poll(status, { timeout: 30_000 }).toBe('Done');
    expect(await picture()).toBe(first);
    expect(problems).toEqual(['this worker crashes because it was asked to']);
    // Both clicks in one task, so that the drawing has not ended.
    await page.evaluate(() => {
      const { document } = globalThis as unknown as {
        document: { getElementById(id: string): { click(): void } };
      };
      for (const id of ['again', 'stop']) document.getElementById(id).click();
    });
    expect(await status()).toBe('Cancelled');
    await tab.click('#again');
    await expect.poll(status, { timeout: 30_000 }).toBe('Done');
    expect(await picture()).toBe(first);
  });
});
