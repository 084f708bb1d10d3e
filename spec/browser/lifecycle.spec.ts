import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { listen } from '../../lib/index.js';
import type { EstablishedSocket, Server } from '../../lib/index.js';
import { needDist, root } from '../support/dist.js';
import { keys } from '../support/keys.js';
import { startChromium } from './chromium.js';
import { startDevtools } from './devtools.js';
import { startSite } from './site.js';

needDist();

/** The program of a page that stays connected. */
const holdConnection = `
  import { connect } from '/k4net/index.js';
  globalThis.events = [];
  addEventListener('pageshow', ({ persisted }) => persisted && events.push('restored'));
  const socket = await connect('/chat');
  void socket.closed.then(({ code }) => events.push(code));
  if (location.search === '?end') addEventListener('pagehide', () => void socket.close());
  globalThis.connected = true;
`;
const askServer = (library: string): string => `
  import { connect } from '${library}';
  const ask = async () => {
    const socket = await connect('/chat');
    await socket.send('hello');
    const text = await socket.recvText();
    await socket.close();
    return text;
  };
  addEventListener('message', (event) => {
    const answer = ask().catch(({ code, message }) => code + ': ' + message);
    event.waitUntil(answer.then((text) => event.source.postMessage(text)));
  });
`;

/** Without an end of the retries, the page says something only if `connect` does not retry. */
const insecurePage = `<!doctype html>
  <script type="module">
    import { connect } from '/k4net/index.js';
    globalThis.failed = connect('ws://insecure.test/', { retry: { retries: Infinity }, timeout: Infinity }).catch(
      ({ code, message }) => code + ': ' + message,
    );
  </script>`;

type Devtools = Awaited<ReturnType<typeof startDevtools>>;
type Tab = Awaited<ReturnType<Devtools['openTab']>>;

let site: Awaited<ReturnType<typeof startSite>>;
let server: Server<EstablishedSocket>;
/** How the connections of the test ended at the server. */
let ends: Promise<string>[] = [];

beforeAll(async () => {
  const bundled = await build({
    stdin: { contents: askServer('k4net'), resolveDir: root },
    bundle: true,
    format: 'esm',
    write: false,
    // Without the paths of the project, which lead to the sources.
    tsconfigRaw: {},
    logLevel: 'error',
  });
  const files = new Map<string, string | Uint8Array>([
    [
      'page.html',
      `<!doctype html><link rel="icon" href="data:,"><script type="module">${holdConnection}</script>`,
    ],
    ['next.html', '<!doctype html><link rel="icon" href="data:,">next'],
    ['whole.js', bundled.outputFiles[0]?.contents ?? ''],
    ['parts.js', askServer('/k4net/index.js')],
  ]);
  // A page with a WebSocket and no-store does not go into the cache of pages.
  site = await startSite(
    { '/k4net/': join(root, 'dist/web'), '/life/': files },
    { 'cache-control': 'no-cache' },
  );
  server = await listen({ webSocket: site.server, key: keys.server, onError: () => undefined });
  void server.serve(async (socket) => {
    ends.push(socket.closed.then(({ code }) => code));
    for await (const message of socket) await socket.send(message);
  });
});

afterEach(() => {
  ends = [];
});

afterAll(async () => {
  await server.close({ timeout: 0 });
  await site.close();
});

/** Opens the page, waits until it is connected, and goes to another page. */
async function leavePage(chromium: Devtools, query = ''): Promise<Tab> {
  const tab = await chromium.openTab('about:blank');
  await tab.send('Page.enable', {});
  await tab.send('Page.navigate', { url: `${site.origin}/life/page.html${query}` });
  await tab.until('globalThis.connected');
  await tab.send('Page.navigate', { url: `${site.origin}/life/next.html` });
  await tab.until("document.body.textContent === 'next'");
  return tab;
}

/** Goes back, and returns what has happened to the page by the time its socket is closed. */
async function returnToPage(tab: Tab): Promise<string[]> {
  await tab.evaluate('void history.back()');
  await tab.until('events.length === 2');
  return tab.evaluate('events.toSorted()') as Promise<string[]>;
}

it('the connection of a page that comes back from the back/forward cache is broken at both ends', async () => {
  const chromium = await startDevtools();
  try {
    const tab = await leavePage(chromium);
    expect(await returnToPage(tab)).toEqual(['K4NET_CONNECTION', 'restored']);
    expect(await Promise.all(ends)).toEqual(['K4NET_CONNECTION']);
  } finally {
    await chromium.close();
  }
});

it('a page that closes its socket at pagehide ends it clean before it is in the back/forward cache', async () => {
  const chromium = await startDevtools();
  try {
    const tab = await leavePage(chromium, '?end');
    expect(await Promise.all(ends)).toEqual(['K4NET_CLOSED']);
    expect(await returnToPage(tab)).toContain('restored');
  } finally {
    await chromium.close();
  }
});

it.each([
  ['that is one file connects', 'whole.js', /^hello$/],
  ['gets an error if it has to load the handshake later', 'parts.js', /^K4NET_\w+: .*could not be loaded/],
])('a service worker %s', async (_, file, expected) => {
  const chromium = await startChromium();
  try {
    const page = await (await chromium.newContext()).newPage();
    await page.goto(`${site.origin}/life/next.html`);
    const answer = await page.evaluate(async (script) => {
      const { serviceWorker } = (globalThis as unknown as { readonly navigator: ServiceWorkers }).navigator;
      await serviceWorker.register(script, { type: 'module' });
      const { active } = await serviceWorker.ready;
      const answered = new Promise<string>((resolve) => {
        serviceWorker.onmessage = ({ data }) => {
          resolve(data);
        };
      });
      active.postMessage('ask');
      return answered;
    }, `/life/${file}`);
    expect(answer).toMatch(expected);
  } finally {
    await chromium.close();
  }
});

it('a page on https gets the reason at once when it opens an insecure WebSocket', async () => {
  const chromium = await startChromium();
  try {
    const page = await (await chromium.newContext()).newPage();
    await page.route('https://example.test/**', async (route) => {
      const [, file] = /\/k4net\/(.+)$/.exec(route.request().url()) ?? [];
      await (file === undefined
        ? route.fulfill({ contentType: 'text/html', body: insecurePage })
        : route.fulfill({
            contentType: 'text/javascript',
            body: await readFile(join(root, 'dist/web', file), 'utf8'),
          }));
    });
    await page.goto('https://example.test/');
    const failed = await page.evaluate(() => (globalThis as unknown as { failed: Promise<string> }).failed);
    expect(failed).toMatch(/^K4NET_CONNECT: .*insecure WebSocket/);
  } finally {
    await chromium.close();
  }
});

/** The part of the browser that the page of the test uses. */
interface ServiceWorkers {
  readonly serviceWorker: {
    register(script: string, options: object): Promise<unknown>;
    readonly ready: Promise<{ readonly active: { postMessage(message: string): void } }>;
    onmessage: (event: { readonly data: string }) => void;
  };
}
