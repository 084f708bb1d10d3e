import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { preProcessFile } from 'typescript';
import { describe, expect, it } from 'vitest';
import { root } from './support/dist.js';
import { seamSources } from './support/seams.js';

/**
 * Each layer may import itself and the layers before it. The longest matching entry is the layer of
 * a file.
 */
const layers = [
  'lib/util/escape.ts',
  'lib/error-codes.ts',
  'lib/errors.ts',
  'lib/platform/',
  'lib/util/',
  'lib/binary/',
  'lib/codec/',
  'lib/transport/',
  'lib/crypto/',
  'lib/session/key-schedule.ts',
  'lib/session/record/',
  'lib/session/session.ts',
  'lib/session/handshake/',
  'lib/session/',
  'lib/trust/',
  'lib/sockets/',
  'lib/queue/',
  'lib/net/',
  'lib/nats/',
  'lib/index.ts',
  'lib/cli/',
];
const maxLibLines = 320;
const maxSpecLines = 600;

interface Source {
  readonly file: string;
  readonly lines: number;
  /** Imported files, type imports included. */
  readonly imports: readonly string[];
}

describe('the source files', () => {
  const lib = sourcesIn('lib');
  const spec = sourcesIn('spec');

  it('all belong to a layer', () => {
    expect(lib.filter(({ file }) => layerOf(file) < 0).map(({ file }) => file)).toEqual([]);
  });

  it('import only files of their own layer or of the layers below', () => {
    const upward = lib.flatMap(({ file, imports }) =>
      imports.filter((to) => layerOf(to) > layerOf(file)).map((to) => `${file} imports ${to}`),
    );
    expect(upward).toEqual([]);
  });

  it('import each other without a circle, type imports included', () => {
    expect(circlesOf(lib)).toEqual([]);
  });

  it(`have at most ${maxLibLines} lines in lib`, () => {
    expect(longerThan(maxLibLines, lib)).toEqual([]);
  });

  it(`have at most ${maxSpecLines} lines in spec`, () => {
    expect(longerThan(maxSpecLines, spec)).toEqual([]);
  });
});

describe('the search for circles', () => {
  it('finds the files that reach themselves, and no others', () => {
    const source = (file: string, ...imports: string[]): Source => ({ file, lines: 1, imports });
    const sources = [
      source('a', 'b'),
      source('b', 'c'),
      source('c', 'b'),
      source('d', 'a'),
      source('e', 'e'),
    ];
    expect(circlesOf(sources)).toEqual(['b, c', 'e']);
  });
});

function sourcesIn(folder: string): Source[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')))
    .filter((file) => file.endsWith('.ts') && !file.includes('node_modules/'))
    .sort()
    .map((file) => {
      const text = readFileSync(path.join(root, file), 'utf8');
      const { importedFiles } = preProcessFile(text, true, true);
      const imports = importedFiles.flatMap(({ fileName }) =>
        fileName.startsWith('.')
          ? [path.posix.join(path.posix.dirname(file), fileName).replace(/\.js$/, '.ts')]
          : (seamSources.get(fileName) ?? []),
      );
      return { file, lines: text.split('\n').length - 1, imports };
    });
}

function layerOf(file: string): number {
  const matching = layers.filter((layer) => file.startsWith(layer));
  const longest = matching.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? -1 : layers.indexOf(longest);
}

/** The files of each circle, joined: those that reach each other along imports. */
function circlesOf(sources: readonly Source[]): string[] {
  const byName = new Map(sources.map((source) => [source.file, source]));
  const reachable = new Map(sources.map(({ file }) => [file, reachableFrom(file, byName)]));
  const circles = sources
    .filter(({ file }) => reachable.get(file)?.has(file))
    .map(({ file }) =>
      [...(reachable.get(file) ?? [])]
        .filter((other) => reachable.get(other)?.has(file))
        .sort()
        .join(', '),
    );
  return [...new Set(circles)];
}

function reachableFrom(start: string, byName: ReadonlyMap<string, Source>): Set<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const next of byName.get(file)?.imports ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

function longerThan(limit: number, sources: readonly Source[]): string[] {
  return sources.filter(({ lines }) => lines > limit).map(({ file, lines }) => `${file}: ${lines}`);
}
