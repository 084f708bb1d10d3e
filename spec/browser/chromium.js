// Finds and starts Chromium, and runs code in a page or a worker of it.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The Chromium of the machine: `CHROMIUM`, or the first of some names in `PATH`.
 *
 * @returns {string | undefined} its path.
 */
export function findChromium() {
  const { CHROMIUM, PATH = '' } = process.env;
  if (CHROMIUM) return isProgram(CHROMIUM) ? CHROMIUM : undefined;
  const folders = PATH.split(delimiter).filter((folder) => folder !== '');
  return ['chromium', 'chromium-browser', 'google-chrome']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find(isProgram);
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * Starts Chromium without a window and with a new, empty profile. `close()` of the result ends it
 * and removes the profile. Every `newContext()` of it has storage of its own.
 *
 * @param {readonly string[]} [args] - further arguments of Chromium.
 * @returns {Promise<Browser>}
 */
export async function startChromium(args = []) {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium: install it or set CHROMIUM');
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath, args: [...args] });
}

/** The places of a browser that run code. */
export const places = /** @type {const} */ (['page', 'worker']);

/**
 * Opens a page of a site, and runs a module in it or in a worker that it starts. The module sets
 * `placeReady` of the global scope as its last step.
 *
 * @param {BrowserContext} context
 * @param {string} origin - of the site.
 * @param {string} script - path of the module.
 * @param {'page' | 'worker'} place
 * @returns {Promise<Place>}
 */
export async function openPlace(context, origin, script, place = 'page') {
  const page = await context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (line) => {
    if (['warning', 'error'].includes(line.type())) problems.push(line.text());
  });
  await page.goto(`${origin}/`);
  let scope = page;
  if (place === 'page') await page.addScriptTag({ url: script, type: 'module' });
  else {
    const started = page.waitForEvent('worker');
    await page.evaluate((url) => void new Worker(url, { type: 'module' }), script);
    scope = await started;
  }
  await scope.evaluate(async () => {
    while (!globalThis.placeReady) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  return { page, problems, evaluate: (task, value) => scope.evaluate(task, value) };
}

// The part of Playwright that TypeScript sees: the types must not depend on whether it is
// installed.

/**
 * @typedef {object} Browser
 * @property {() => Promise<BrowserContext>} newContext - with storage of its own.
 * @property {() => Promise<void>} close
 *
 * @typedef {object} BrowserContext
 * @property {() => Promise<Page>} newPage
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Frame
 * @property {<V, R>(task: (value: V) => R | Promise<R>, value?: V) => Promise<R>} evaluate - runs a
 * function in it. The function sees no variable of its surroundings; value and result are copies.
 *
 * @typedef {{ text(): string, message: string }} Said - a line of the console, or an error.
 *
 * @typedef {object} Route
 * @property {(answer: { contentType: string, body: string }) => Promise<void>} fulfill
 * @property {() => { url(): string }} request
 *
 * @typedef {Frame & PageOnly} Page
 *
 * @typedef {object} PageOnly
 * @property {(url: string) => Promise<unknown>} goto
 * @property {(event: 'console' | 'pageerror', listener: (value: Said) => void) => unknown} on
 * @property {() => Frame[]} frames - the page itself and the frames in it.
 * @property {(url: string, answer: (route: Route) => unknown) => Promise<void>} route - answers
 * requests in place of the network.
 * @property {() => Promise<void>} bringToFront
 * @property {() => Promise<void>} close
 *
 * @typedef {Frame & PlaceOnly} Place - a page or a worker.
 *
 * @typedef {object} PlaceOnly
 * @property {Page} page
 * @property {string[]} problems - errors, and warnings and errors on the console, so far.
 */
