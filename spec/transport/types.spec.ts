import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needDist, root, run } from '../support/dist.js';

// The declarations of the build, checked against the types of browsers and workers.
const programs = {
  dom: `new LockedSocket(new WebSocket('ws://server'));
new LockedSocket(new Worker('worker.js'));
new LockedSocket(new SharedWorker('worker.js').port);
new LockedSocket(new MessageChannel().port1);
`,
  webworker: `new LockedSocket(new WebSocket('ws://server'));
new LockedSocket(new MessageChannel().port2);
new LockedSocket(self);
`,
};

let folder: string;

beforeAll(async () => {
  needDist();
  folder = await mkdtemp(path.join(root, 'node_modules/.k4net-types-'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('a socket over a carrier of the web', () => {
  it.each(Object.entries(programs))('accepts the types of lib.%s.d.ts', async (lib, program) => {
    const file = `${lib}.mts`;
    await writeFile(path.join(folder, file), `import { LockedSocket } from 'k4net';\n${program}`);
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable', lib],
      types: [],
      module: 'nodenext',
      strict: true,
      skipLibCheck: true,
      noEmit: true,
      paths: { k4net: [path.join(root, 'dist/index.d.ts')] },
    };
    const project = path.join(folder, `${lib}.json`);
    await writeFile(project, JSON.stringify({ compilerOptions, files: [file] }));
    const { out } = await run(process.execPath, [
      path.join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      project,
    ]);
    expect(out).toBe('');
  });
});
