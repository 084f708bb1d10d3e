import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

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

describe('the programs in the documentation', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'k4net-docs-'));
    await mkdir(path.join(folder, 'node_modules'));
    await symlink(root, path.join(folder, 'node_modules', 'k4net'), 'dir');
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('are found', () => {
    expect(snippets.filter(({ name }) => name.startsWith('README.md')).length).toBeGreaterThan(0);
    expect(snippets.filter(({ name }) => name.startsWith('docs/guide.md')).length).toBeGreaterThan(4);
  });

  it.each(snippets)('$name runs and prints what the page says', async ({ name, code, output }) => {
    const file = path.join(folder, `${name.replace(/\W/g, '_')}.mjs`);
    await writeFile(file, code);
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder, timeout: 20_000 });
    expect(stderr).toBe('');
    if (output !== undefined) expect(stdout).toBe(output);
  });
});

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
