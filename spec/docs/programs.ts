import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/dist.js';

/** A program in the documentation. */
export interface Program {
  /** File and line of its first line of code: `docs/guide.md:14`. */
  readonly name: string;
  readonly source: string;
  /** Number of the line in front of the code. */
  readonly offset: number;
  readonly language: 'js' | 'ts';
  readonly code: string;
  /** The text that the program prints, if the page shows it. */
  readonly output: string | undefined;
}

/** README and all pages of docs, as paths from the root. */
export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll(path.sep, '/')}`),
];

/** The source files of the library, as paths from the root. */
export const sources: readonly string[] = readdirSync(path.join(root, 'lib'), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `lib/${name.replaceAll(path.sep, '/')}`)
  .sort();

export const textOf = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/**
 * The programs on a page. A text block directly after a program is its output. TypeScript without
 * an import from the package is a part of a program.
 */
export function programsOnPage(page: string, text: string): Program[] {
  const pattern = /^```(js|ts)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;
  return [...text.matchAll(pattern)]
    .map(({ 1: language, 2: code = '', 3: output, index }) =>
      program(page, lineOf(text, index) + 1, language === 'ts' ? 'ts' : 'js', code, output),
    )
    .filter(({ language, code }) => language === 'js' || code.includes("from 'k4net'"));
}

/**
 * The programs behind the `@example` tags of the doc comments of a source file. As on a page, a
 * text block directly after a program is its output.
 */
export function examplesIn(source: string, text: string): Program[] {
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((comment) => {
    const lines = comment[0].split('\n').map((line) => line.replace(/^\s*\* ?/, ''));
    // Only the parts behind an `@example`, with the other lines left empty, so that line numbers
    // stay.
    let isExample = false;
    const examples = lines.map((line) => {
      if (/^@\w/.test(line)) isExample = line.startsWith('@example');
      return isExample ? line : '';
    });
    const first = lineOf(text, comment.index);
    const pattern = /^```(js|ts)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;
    const body = examples.join('\n');
    return [...body.matchAll(pattern)].map(({ 1: language, 2: code = '', 3: output, index }) =>
      program(source, first + lineOf(body, index), language === 'ts' ? 'ts' : 'js', code, output),
    );
  });
}

/** @param line - number of the first line of the code. */
function program(
  source: string,
  line: number,
  language: 'js' | 'ts',
  code: string,
  output: string | undefined,
): Program {
  return { name: `${source}:${line}`, source, offset: line - 1, language, code, output };
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
