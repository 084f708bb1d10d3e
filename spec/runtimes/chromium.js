// A page and a worker of Chromium as clients of the matrix, by the harness of spec/browser.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium, openPlace, startChromium } from '../browser/chromium.js';
import { startSite } from '../browser/site.js';
import { npm } from './bring.js';

const browserFolder = fileURLToPath(new URL('../browser/', import.meta.url));

/** Why there is no Chromium; undefined if there is one. Installs what drives it. */
export function whyNoChromium() {
  if (!findChromium()) return 'no Chromium; install it or set CHROMIUM';
  if (existsSync(path.join(browserFolder, 'node_modules/playwright-core'))) return undefined;
  try {
    npm(['ci', '--prefer-offline'], browserFolder);
    return undefined;
  } catch {
    return 'playwright-core, which drives Chromium, cannot be installed';
  }
}

/** Starts Chromium. The clients run the package that is installed in the project. */
export async function startClients(project) {
  const site = await startSite({
    '/k4net/': path.join(project, 'node_modules/k4net/dist/web'),
    '/runtimes/': path.join(project, 'runtimes'),
  });
  const browser = await startChromium();
  const client = (place) => ({
    name: `Chromium ${place}`,
    kind: 'chromium',
    /** Calls a function of clients/page.js in a new place, and resolves with its report. */
    async call(name, argument) {
      const context = await browser.newContext();
      try {
        const { evaluate } = await openPlace(context, site.origin, '/runtimes/clients/page.js', place);
        return await evaluate(([each, value]) => globalThis.place[each](value), [name, argument]);
      } finally {
        await context.close();
      }
    },
  });
  return {
    clients: [client('page'), client('worker')],
    async close() {
      await browser.close();
      await site.close();
    },
  };
}
