import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { root } from '../support/dist.js';
import { seamSources } from '../support/seams.js';

const inPage = (name: string): string => join(root, 'spec/browser/page', name);

/**
 * Sends the imports of the suites that need Node to their stand-ins, and seams to their forms for
 * browsers.
 */
const forBrowsers: Plugin = {
  name: 'for-browsers',
  setup: (bundler) => {
    bundler.onResolve({ filter: /^#/ }, ({ path }) => {
      const form = seamSources.get(path)?.at(-1);
      return form === undefined ? undefined : { path: join(root, form) };
    });
    bundler.onResolve({ filter: /^vitest$/ }, () => ({ path: inPage('vitest.ts') }));
    bundler.onResolve({ filter: /^node:events$/ }, () => ({ path: inPage('node-stand-ins.ts') }));
    bundler.onResolve({ filter: /\/support\/fixture\.js$/ }, () => ({ path: inPage('fixture.ts') }));
  },
};

/** A bundle: each file by its name. */
export type Bundle = ReadonlyMap<string, Uint8Array>;

/**
 * Bundles a program of spec/browser/page with the sources of the library for browsers, as
 * `<name>.js` and its chunks.
 */
export async function bundleOfPage(name: string): Promise<Bundle> {
  const { outputFiles } = await build({
    entryPoints: [inPage(`${name}.ts`)],
    inject: [inPage('node-stand-ins.ts')],
    plugins: [forBrowsers],
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    bundle: true,
    splitting: true,
    sourcemap: 'inline',
    outdir: 'bundle',
    write: false,
    tsconfigRaw: '{}',
    logLevel: 'error',
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}
