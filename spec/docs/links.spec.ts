import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../support/dist.js';
import { pages, sources, textOf } from './programs.js';

/** A link to another page of the project, to a heading, or to both. */
interface Link {
  readonly line: number;
  readonly target: string;
  readonly anchor: string | undefined;
}

describe('a link on a page', () => {
  it.each(pages)('%s leads to a file and a heading that exist', (page) => {
    const dead = linksOn(textOf(page))
      .filter((link) => !resolves(page, link))
      .map(
        ({ line, target, anchor }) => `${page}:${line}: ${target}${anchor === undefined ? '' : `#${anchor}`}`,
      );
    expect(dead).toEqual([]);
  });

  it('is found with its line and its anchor, but not in code or at another site', () => {
    const text =
      'see [a](a.md#b-c)\n```js\n[x](y)\n```\n`[x](z)` [web](https://example.org) ![i](i.svg) [h](#h)\n';
    expect(linksOn(text)).toEqual([
      { line: 1, target: 'a.md', anchor: 'b-c' },
      { line: 5, target: 'i.svg', anchor: undefined },
      { line: 5, target: '', anchor: 'h' },
    ]);
  });

  it('has the anchors that code hosts give to headings', () => {
    const text = "# The server's key\n## `call`, and more\n## The server's key\n```sh\n# no heading\n```\n";
    expect(anchorsOf(text)).toEqual(['the-servers-key', 'call-and-more', 'the-servers-key-1']);
  });
});

describe('a source file', () => {
  it('names only pages of docs that exist', () => {
    const dead = sources.flatMap((source) =>
      [...textOf(source).matchAll(/\bdocs\/[\w-]+\.\w+/g)]
        .map(([name]) => name)
        .filter((name) => !existsSync(path.join(root, name)))
        .map((name) => `${source}: ${name}`),
    );
    expect(dead).toEqual([]);
  });
});

describe('the section "Where to look" of the architecture', () => {
  const [, section = ''] = textOf('docs/architecture.md').split('\n## Where to look\n');
  const rows = [...section.matchAll(/^\| (.+?) \| `([\w./-]+)` *\|(.*)\|$/gm)].map(
    ([, entry = '', file = '', names = '']) => ({ entry: entry.trim(), file, names }),
  );

  it('names only files that exist and identifiers that they contain', () => {
    expect(rows.length).toBeGreaterThan(20);
    const stale = rows.flatMap(({ entry, file, names }) => {
      if (!existsSync(path.join(root, file))) return [`${entry}: ${file} does not exist`];
      const text = textOf(file);
      return [...names.matchAll(/`(\w+)`/g)]
        .filter(([, name = '']) => !new RegExp(`\\b${name}\\b`).test(text))
        .map(([, name = '']) => `${entry}: ${file} has no ${name}`);
    });
    expect(stale).toEqual([]);
  });
});

describe('the tables of error codes', () => {
  it('have every code of the library once, and no other', () => {
    const codes = [...textOf('lib/error-codes.ts').matchAll(/^ {2}\| '(K4NET_\w+)'/gm)].map(
      (match) => match[1],
    );
    const [page = ''] = textOf('docs/errors.md').split('## Warnings');
    const rows = [...page.matchAll(/^\| `(K4NET_\w+)`/gm)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(10);
    expect(rows.toSorted()).toEqual(codes.toSorted());
  });
});

function linksOn(text: string): Link[] {
  return withoutCode(text).flatMap((line, n) =>
    [...line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)]
      .map(([, target = '', anchor]) => ({ line: n + 1, target, anchor }))
      .filter(({ target }) => !/^\w+:/.test(target)),
  );
}

function resolves(page: string, { target, anchor }: Link): boolean {
  const file = target === '' ? page : path.posix.join(path.posix.dirname(page), target);
  if (!existsSync(path.join(root, file))) return false;
  return anchor === undefined || anchorsOf(textOf(file)).includes(anchor);
}

function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return withoutCode(text).flatMap((line) => {
    const heading = /^#{1,6} (.*)$/.exec(line)?.[1];
    if (heading === undefined) return [];
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return [count === 0 ? slug : `${slug}-${count}`];
  });
}

/** The lines of a page; those of code blocks are empty. */
function withoutCode(text: string): string[] {
  let inCode = false;
  return text.split('\n').map((line) => {
    if (!line.startsWith('```')) return inCode ? '' : line;
    inCode = !inCode;
    return '';
  });
}
