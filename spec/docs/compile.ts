import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { root, run } from '../support/dist.js';
import type { Program } from './programs.js';

/** The file of a program in the folder that the compiler checks. */
export const fileOf = ({ name, language }: Program): string =>
  `${name.replace(/\W/g, '_')}.${language === 'ts' ? 'mts' : 'mjs'}`;

/** The file that runs: TypeScript runs as the compiler translates it. */
export const runnableOf = (program: Program): string =>
  program.language === 'ts' ? path.join('out', fileOf(program).replace(/\.mts$/, '.mjs')) : fileOf(program);

/** The part of Deno that the programs use. Its own types do not go together with those of Node. */
const deno = `export {};
declare global {
  const Deno: {
    serve(handler: (request: Request, info: { readonly remoteAddr: { readonly hostname: string } }) => Response): unknown;
    upgradeWebSocket(request: Request): {
      readonly socket: import('k4net').WebSocketLike;
      readonly response: Response;
    };
  };
}
`;

/**
 * Writes the programs into the folder and checks all of them in one run of the compiler.
 *
 * @returns the messages of the compiler by the name of the program. Each begins with file and line
 * in the documentation.
 */
export async function compile(folder: string, programs: readonly Program[]): Promise<Map<string, string[]>> {
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable'],
    types: ['node'],
    module: 'nodenext',
    allowJs: true,
    checkJs: true,
    strict: true,
    skipLibCheck: true,
    rootDir: '.',
    outDir: 'out',
  };
  for (const program of programs) await writeFile(path.join(folder, fileOf(program)), program.code);
  await writeFile(path.join(folder, 'deno.d.mts'), deno);
  const files = ['deno.d.mts', ...programs.map(fileOf)];
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { code, out, err } = await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], {
    cwd: folder,
  });
  if (err !== '' || (code === 0) !== (out === ''))
    throw new Error(`the compiler ended with code ${code}: ${err}${out}`);
  const faults = new Map<string, string[]>();
  // A line that begins with a space continues the message of the line before.
  for (const message of out.trimEnd().split(/\n(?!\s)/)) {
    const [, file, line, text] = /^(.+?)\((\d+),\d+\): ([\s\S]*)$/.exec(message) ?? [];
    if (file === undefined) {
      if (message !== '') throw new Error(`the compiler does not name a file: ${message}`);
      continue;
    }
    const program = programs.find((other) => fileOf(other) === file);
    if (program === undefined) throw new Error(`a message of the compiler is about another file: ${message}`);
    const fault = `${program.source}:${program.offset + Number(line)}: ${text}`;
    faults.set(program.name, [...(faults.get(program.name) ?? []), fault]);
  }
  return faults;
}
