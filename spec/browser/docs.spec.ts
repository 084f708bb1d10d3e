import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { programsOnPage, textOf } from '../docs/programs.js';
import { needDist, root } from '../support/dist.js';
import { startChromium, type Browser } from './chromium.js';

needDist();

const source = 'docs/browsers.md';
const text = textOf(source);
const server = programsOnPage(source, text).find(({ code }) => code.startsWith('// server.mjs\n'))!;
/** The pages of the documentation, and what they print. */
const pages = [...text.matchAll(/^```html\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```\n/gm)].map(
  ([, code = '', output = '']) => ({ code, output }),
);

let folder: string;
let chromium: Browser;
let stop: () => Promise<unknown>;
let port = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k4net-browsers-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/k4net'), 'dir');
  await start();
  chromium = await startChromium();
});

/** Starts the server of the page: first at a free port, for the one of the page may be taken. */
async function start(): Promise<void> {
  const code = server.code
    .replace('8080, ()', `${port}, ()`)
    .replace("'open http://localhost:8080/'", 'JSON.stringify(http.address())');
  await writeFile(join(folder, 'server.mjs'), code);
  const running = spawn(process.execPath, ['server.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stop = () => {
    running.kill();
    return once(running, 'close');
  };
  const [line] = (await once(createInterface(running.stdout), 'line')) as [string];
  ({ port } = JSON.parse(line) as { readonly port: number });
}

afterAll(async () => {
  await chromium.close();
  await stop();
  await rm(folder, { recursive: true, force: true });
});

it(`${source} has pages that show their output`, () => {
  expect(pages).toHaveLength(text.match(/^```html/gm)?.length ?? 0);
  expect(pages.length).toBeGreaterThan(2);
});

it.each(pages)('a page of the documentation prints $output', async ({ code, output }) => {
  await writeFile(join(folder, 'page.html'), code);
  const context = await chromium.newContext();
  const page = await context.newPage();
  const printed: string[] = [];
  let wake: () => void = () => undefined;
  const print = (line: string): void => {
    printed.push(line);
    wake();
  };
  page.on('console', (line) => {
    // The pages have no icon, and a page that connects again meets no server. Chromium reports
    // both.
    if (!/404|WebSocket connection to/.test(line.text())) print(line.text());
  });
  page.on('pageerror', ({ message }) => {
    print(message);
  });
  await page.goto(`http://localhost:${port}/`);
  const lines = output.trim().split('\n');
  for (const [index, line] of lines.entries()) {
    // A page with more than one line connects again.
    if (index > 0) {
      await stop();
      await start();
    }
    while (printed.length <= index) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    expect(printed[index]).toBe(line);
  }
  await context.close();
});
