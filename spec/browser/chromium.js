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
 * Starts Chromium without a window and with a new, empty profile. `close()` of the result ends it and
 * removes the profile. Every `newContext()` of it has storage of its own.
 *
 * @param {readonly string[]} [args] - further arguments of Chromium.
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
 * Opens a page of a site, and runs a module in it or in a worker that it starts.
 *
 * @param {{ newPage(): Promise<any> }} context - of the browser.
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
  return { page, problems, evaluate: (task, value) => scope.evaluate(task, value) };
}

/**
 * @typedef {object} Place
 * @property {any} page - the page of Playwright.
 * @property {string[]} problems - errors, and warnings and errors on the console, so far.
 * @property {<V, R>(task: (value: V) => R | Promise<R>, value?: V) => Promise<R>} evaluate - runs a function in
 * the page or the worker. It sees no variable of its surroundings.
 */
