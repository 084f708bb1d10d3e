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
  ...readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
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

/** The programs on a page. A text block directly after a program is its output. */
export function programsOnPage(page: string, text: string): Program[] {
  const pattern = /^```js\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;
  return [...text.matchAll(pattern)].map(([, code = '', output], n, all) =>
    program(page, lineOf(text, all[n]?.index ?? 0) + 1, 'js', code, output),
  );
}

/** The programs behind the `@example` tags of the doc comments of a source file. */
export function examplesIn(source: string, text: string): Program[] {
  const found: Program[] = [];
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const lines = comment[0].split('\n').map((line) => line.replace(/^\s*\* ?/, ''));
    const first = lineOf(text, comment.index);
    let language: 'js' | 'ts' | undefined;
    let code: string[] = [];
    let isExample = false;
    for (const [n, line] of lines.entries()) {
      if (language !== undefined && line.startsWith('```')) {
        found.push(program(source, first + n - code.length, language, `${code.join('\n')}\n`, undefined));
        [language, code] = [undefined, []];
      } else if (language !== undefined) {
        code.push(line);
      } else if (/^@\w/.test(line)) {
        isExample = line.startsWith('@example');
      } else if (isExample && line.startsWith('```')) {
        language = line.includes('ts') ? 'ts' : 'js';
      }
    }
  }
  return found;
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
