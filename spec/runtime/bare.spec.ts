import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needDist, run } from '../support/dist.js';

const program = fileURLToPath(new URL('programs/bare.mjs', import.meta.url));
let folder: string;

beforeAll(async () => {
  needDist();
  folder = await mkdtemp(join(tmpdir(), 'k4net-bundle-'));
});

afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Bundles the program for browsers, with a chunk for each dynamic import. */
async function bundled(): Promise<string> {
  await build({
    entryPoints: [program],
    platform: 'browser',
    format: 'esm',
    bundle: true,
    minify: true,
    keepNames: true,
    splitting: true,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    tsconfigRaw: '{}',
    logLevel: 'error',
  });
  return join(folder, 'bare.mjs');
}

describe.each([
  { form: 'the form for Node', parameters: () => [program] },
  { form: 'the form for browsers', parameters: () => ['--conditions=browser', program] },
  { form: 'a bundle for browsers', parameters: async () => [await bundled()] },
])('the package in a runtime without the globals of Node, $form', ({ parameters }) => {
  it('has sockets over memory, encrypted ones, queues, streams and servers that accept too, and rejects the rest with K4NET_UNSUPPORTED', async () => {
    const { code, out, err } = await run(process.execPath, await parameters());
    expect(err).toBe('');
    expect(out.trim().split('\n')).toEqual([
      'memory 0 4 1000000 3',
      'encrypted pin true',
      'queue 2 of 1, 4 of 2, 6 of 2',
      'stream first second end',
      'binary kanji 漢字',
      'accepted 0',
      'connect K4NET_UNSUPPORTED',
      'connect K4NET_UNSUPPORTED',
      'listen K4NET_UNSUPPORTED',
      'listen K4NET_UNSUPPORTED',
      'tcp://127.0.0.1:9 K4NET_UNSUPPORTED',
      'unix:/tmp/k4net K4NET_UNSUPPORTED',
      'listen for WebSockets K4NET_UNSUPPORTED',
      'insecure connect K4NET_UNSUPPORTED',
      'insecure listen K4NET_UNSUPPORTED',
      'dialled false',
    ]);
    expect(code).toBe(0);
  });
});
