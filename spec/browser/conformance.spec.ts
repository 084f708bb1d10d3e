import { afterAll, describe, expect, it } from 'vitest';
import { bundleOfPage } from './bundle.js';
import { openPlace, places, startChromium } from './chromium.js';
import type { PageTests } from './page/vitest.js';
import { relayWebSockets } from './relay.js';
import { startSite } from './site.js';

interface Scope {
  readonly pageTests: PageTests;
}

const chromium = await startChromium();
const site = await startSite({ '/tests/': await bundleOfPage('conformance') });
relayWebSockets(site.server);
afterAll(async () => {
  await chromium.close();
  await site.close();
});

for (const place of places) {
  const context = await chromium.newContext();
  const { evaluate, problems } = await openPlace(context, site.origin, '/tests/conformance.js', place);
  const tests = await evaluate(() => (globalThis as unknown as Scope).pageTests.list());

  describe(`in a ${place}`, () => {
    it('there are tests', () => {
      expect(tests.length).toBeGreaterThan(200);
    });

    for (const [index, { title, skipped }] of tests.entries()) {
      it.skipIf(skipped)(title, async () => {
        const failed = await evaluate((each) => (globalThis as unknown as Scope).pageTests.run(each), index);
        if (failed !== undefined) expect.fail(failed);
        expect(problems.splice(0)).toEqual([]);
      });
    }
  });
}
