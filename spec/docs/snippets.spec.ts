import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needDist, root, run } from '../support/dist.js';
import { natsProgram, NatsServerProcess } from '../support/nats-server.js';
import { compile, runnableOf } from './compile.js';
import { examplesIn, pages, programsOnPage, sources, textOf, type Program } from './programs.js';

const onPages = pages.flatMap((page) => programsOnPage(page, textOf(page)));
const examples = sources.flatMap((source) => examplesIn(source, textOf(source)));
/**
 * A program on a page that begins with the name of a file is one of several files: it does not run
 * alone. TypeScript on a page is for another runtime than Node. An example of a doc comment may
 * need a server, so it runs only if it shows its output.
 */
const alone = [
  ...onPages.filter(({ language, code }) => language === 'js' && !/^\/\/ [\w-]+\.mjs\n/.test(code)),
  ...examples.filter(({ output }) => output !== undefined),
];

/** A program that must not compile. Without it, a check that checks nothing would pass. */
const wrong: Program = {
  name: 'wrong',
  source: 'wrong',
  offset: 100,
  language: 'js',
  code: `import { connect } from 'k4net';
const sock = await connect({ port: 1, pin: 'sha256:x' });
sock.peer.how.toFixed();
`,
  output: undefined,
};

/** Whether a program needs a nats-server, which it finds in NATS_URL. */
const usesNats = ({ code }: Program): boolean => code.includes("from '@nats-io/");

let folder: string;
let nats: NatsServerProcess | undefined;
/** The messages of the compiler by the name of the program. */
let faults: Map<string, string[]>;

beforeAll(async () => {
  needDist();
  folder = await mkdtemp(path.join(tmpdir(), 'k4net-docs-'));
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(root, path.join(folder, 'node_modules', 'k4net'), 'dir');
  await symlink(path.join(root, 'node_modules/@nats-io'), path.join(folder, 'node_modules/@nats-io'), 'dir');
  await symlink(path.join(root, 'node_modules/@types'), path.join(folder, 'node_modules/@types'), 'dir');
  faults = await compile(folder, [...onPages, ...examples, wrong]);
  if (natsProgram !== undefined) nats = await NatsServerProcess.start();
});

afterAll(async () => {
  await nats?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('the check of documented programs', () => {
  it('finds the programs of the README and of the guide', () => {
    expect(onPages.filter(({ source }) => source === 'README.md').length).toBeGreaterThan(1);
    expect(onPages.filter(({ source }) => source === 'docs/guide.md').length).toBeGreaterThan(4);
  });

  it('finds recipes of fewer than 60 lines', () => {
    const recipes = onPages.filter(({ source }) => source === 'docs/recipes.md');
    expect(recipes.length).toBe(2);
    for (const { code } of recipes) expect(code.trimEnd().split('\n').length).toBeLessThan(60);
  });

  it('refuses a program with a wrong type and names its line', () => {
    expect(faults.get(wrong.name)).toEqual([
      expect.stringMatching(/^wrong:103: .*Property 'toFixed' does not exist/) as string,
    ]);
  });

  it('finds each example of a doc comment with its line and language', () => {
    const text = `/** One line. */
/**
 * Adds.
 *
 * @example
 * \`\`\`ts
 * const sum: number = 1;
 *
 * console.log(sum);
 * \`\`\`
 *
 * \`\`\`text
 * 1
 * \`\`\`
 * @returns
 * \`\`\`js
 * not.anExample();
 * \`\`\`
 */
`;
    expect(examplesIn('lib/add.ts', text)).toEqual([
      {
        name: 'lib/add.ts:7',
        source: 'lib/add.ts',
        offset: 6,
        language: 'ts',
        code: 'const sum: number = 1;\n\nconsole.log(sum);\n',
        output: '1\n',
      },
    ]);
  });

  it('finds an example for every @example tag of the library', () => {
    for (const source of sources) {
      const tags = textOf(source).match(/^\s*\* @example/gm) ?? [];
      const found = examples.filter((example) => example.source === source);
      expect(found.length, source).toBeGreaterThanOrEqual(tags.length);
    }
  });
});

describe('a program on a page or in a doc comment', () => {
  it.each([...onPages, ...examples])(
    '$name compiles with the types of the package, with checkJs and strict',
    ({ name }) => {
      expect(faults.get(name) ?? []).toEqual([]);
    },
  );

  it.for(alone)(
    '$name runs and prints the output that the documentation shows',
    async (program, { skip }) => {
      skip(usesNats(program) && !nats, 'it needs a nats-server');
      const env = nats ? { NATS_URL: nats.url } : {};
      const options = { cwd: folder, timeout: 20_000, env };
      const { out, err } = await run(process.execPath, [runnableOf(program)], options);
      expect(err).toBe('');
      if (program.output !== undefined) expect(out).toBe(program.output);
    },
  );
});

describe('the server and the client of the README', () => {
  const [server, client] = ['server', 'client'].map((name) =>
    onPages.find(({ source, code }) => source === 'README.md' && code.startsWith(`// ${name}.mjs\n`)),
  );

  it('talk to each other when the client gets the fingerprint that the server prints', async () => {
    if (!server || !client) throw new Error('README.md has no server.mjs or no client.mjs');
    expect(server.code).toContain('port: 9000');
    expect(client.code).toContain('port: 9000');
    // A free port: the one of the page may be taken.
    await writeFile(path.join(folder, 'server.mjs'), server.code.replace('port: 9000', 'port: 0'));
    const running = spawn(process.execPath, ['server.mjs'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(running, 'close');
    try {
      const [line] = (await Promise.race([
        once(createInterface(running.stdout), 'line'),
        ended,
      ])) as unknown[];
      const [, port, fingerprint] = /port: (\d+) \} (sha256:[0-9a-f]{64})$/.exec(String(line)) ?? [];
      expect(fingerprint).toBeDefined();
      const code = client.code.replace('port: 9000', `port: ${port!}`);
      await writeFile(path.join(folder, 'client.mjs'), code);
      const { out, err } = await run(process.execPath, ['client.mjs', fingerprint!], {
        cwd: folder,
        timeout: 20_000,
      });
      expect(err).toBe('');
      expect(out).toBe(client.output);
    } finally {
      running.kill();
      await ended;
    }
  });
});
