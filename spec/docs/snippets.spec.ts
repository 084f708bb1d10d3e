import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needDist, root, run } from '../support/dist.js';

interface Snippet {
  readonly name: string;
  readonly code: string;
  /** What the page says it prints. */
  readonly output: string | undefined;
}

/** Every block of JavaScript on a page is a whole program; a block of text right behind it is what it prints. */
function snippetsOf(page: string, text: string): Snippet[] {
  const found: Snippet[] = [];
  const pattern = /^```js\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;
  for (const match of text.matchAll(pattern)) {
    const line = text.slice(0, match.index).split('\n').length;
    found.push({ name: `${page}:${line}`, code: match[1]!, output: match[2] });
  }
  return found;
}

const docs = (await readdir(path.join(root, 'docs'))).filter((name) => name.endsWith('.md'));
const pages = ['README.md', ...docs.map((name) => `docs/${name}`)];
const snippets: Snippet[] = [];
for (const page of pages) snippets.push(...snippetsOf(page, await readFile(path.join(root, page), 'utf8')));

/** A program that must not compile. Without it, a check that checks nothing would pass. */
const wrong: Snippet = {
  name: 'wrong',
  code: `import { connect } from 'k4net';
const sock = await connect({ port: 1, pin: 'sha256:x' });
sock.peer.how.toFixed();
`,
  output: undefined,
};

const fileOf = ({ name }: Snippet): string => `${name.replace(/\W/g, '_')}.mjs`;

describe('the programs in the documentation', () => {
  let folder: string;
  /** What the compiler says about each file. */
  let faults: Map<string, string[]>;

  beforeAll(async () => {
    needDist();
    folder = await mkdtemp(path.join(tmpdir(), 'k4net-docs-'));
    await mkdir(path.join(folder, 'node_modules'));
    await symlink(root, path.join(folder, 'node_modules', 'k4net'), 'dir');
    await symlink(path.join(root, 'node_modules/@types'), path.join(folder, 'node_modules/@types'), 'dir');
    const all = [...snippets, wrong];
    for (const snippet of all) await writeFile(path.join(folder, fileOf(snippet)), snippet.code);
    faults = await compile(folder, all.map(fileOf));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('are found', () => {
    expect(snippets.filter(({ name }) => name.startsWith('README.md')).length).toBeGreaterThan(0);
    expect(snippets.filter(({ name }) => name.startsWith('docs/guide.md')).length).toBeGreaterThan(4);
  });

  it('are compiled strictly: a program with a wrong type is refused', () => {
    expect(faults.get(fileOf(wrong))?.length).toBe(1);
    expect(faults.get(fileOf(wrong))?.join()).toContain("Property 'toFixed' does not exist");
  });

  it.each(snippets)('$name compiles with the types of the package, with checkJs and strict', (snippet) => {
    expect(faults.get(fileOf(snippet)) ?? []).toEqual([]);
  });

  it.each(snippets)('$name runs and prints what the page says', async (snippet) => {
    const file = fileOf(snippet);
    const { out, err } = await run(process.execPath, [file], { cwd: folder, timeout: 20_000 });
    expect(err).toBe('');
    if (snippet.output !== undefined) expect(out).toBe(snippet.output);
  });
});

/** Checks JavaScript programs in one run of the compiler. The lines it prints, by the file that they are about. */
async function compile(folder: string, files: readonly string[]): Promise<Map<string, string[]>> {
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023'],
    types: ['node'],
    module: 'nodenext',
    allowJs: true,
    checkJs: true,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { code, out, err } = await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], {
    cwd: folder,
  });
  if (err !== '' || (code === 0) !== (out === ''))
    throw new Error(`the compiler ended with ${code}: ${err}${out}`);
  const faults = new Map<string, string[]>();
  // Lines that begin with a space go on with the message of the line before.
  for (const line of out.trimEnd().split(/\n(?!\s)/)) {
    const file = line.slice(0, line.indexOf('('));
    faults.set(file, [...(faults.get(file) ?? []), line]);
  }
  return faults;
}

describe('links between the pages', () => {
  it.each(pages)('%s leads only to files that are there', async (page) => {
    const text = await readFile(path.join(root, page), 'utf8');
    for (const [, target] of text.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target!)) continue;
      await expect(readFile(path.join(root, path.dirname(page), target!))).resolves.toBeDefined();
    }
  });
});

describe('the table of errors', () => {
  it('has every code of the library, and no other', async () => {
    const source = await readFile(path.join(root, 'lib/errors.ts'), 'utf8');
    const page = await readFile(path.join(root, 'docs/errors.md'), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '(K4NET_\w+)'/gm)].map((match) => match[1]);
    const rows = [...page.matchAll(/^\| `(K4NET_\w+)`/gm)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(10);
    expect(rows.toSorted()).toEqual(codes.toSorted());
  });
});
