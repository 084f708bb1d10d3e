import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { compiledSeams } from '../support/seams.js';
import { recordStderr } from '../support/warnings.js';

const lib = fileURLToPath(new URL('../../lib', import.meta.url));

/** A folder that is removed when the tests end. Its path contains no links. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'k4net-trust-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/**
 * Compiles the layers up to this one to JavaScript, for other processes: Node 20 runs no
 * TypeScript, and dist may be outdated. Types are not checked, which makes it fast.
 */
export function compileTo(folder: string): void {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', imports: compiledSeams }));
  for (const layer of ['.', 'platform', 'util', 'crypto', 'trust']) {
    mkdirSync(join(folder, layer), { recursive: true });
    for (const name of readdirSync(join(lib, layer))) {
      if (!name.endsWith('.ts') || name === 'index.ts') continue;
      const { outputText } = ts.transpileModule(readFileSync(join(lib, layer, name), 'utf8'), {
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          verbatimModuleSyntax: true,
        },
      });
      writeFileSync(join(folder, layer, name.replace(/\.ts$/, '.js')), outputText);
    }
  }
}

/** A process that runs a piece of JavaScript on demand. */
export interface Runner {
  readonly child: ChildProcess;
  /** Resolves when the process has loaded everything and waits. */
  readonly ready: Promise<void>;
  /** Starts the code. */
  go(): void;
  /** Resolves with the first line that begins with the word. */
  line(word: string): Promise<string>;
  /** Resolves when it has exited, with its output. */
  readonly ended: Promise<{ code: number | null; output: string }>;
}

/** Starts a process. `code` can use the exports of the files of lib/trust by name. */
export function startProcess(folder: string, code: string): Runner {
  const script = `
    import { once } from 'node:events';
    import * as keyFile from './trust/key-file.js';
    import * as knownHosts from './trust/known-hosts-file.js';
    import * as atomicFile from './trust/atomic-file.js';
    import * as fileLock from './trust/file-lock.js';
    const { loadServerKey, loadClientPin, saveClientPin } = keyFile;
    const { fileKnownHosts } = knownHosts;
    const { createOnce } = atomicFile;
    const { withFileLock } = fileLock;
    console.log('ready');
    await once(process.stdin, 'data');
    process.stdin.destroy();
    ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  recordStderr(child);
  let output = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    for (const look of waiting) look();
  });
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('close', (status) => {
      resolve({ code: status, output });
    });
  });
  const line = (word: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = output
          .split('\n')
          .find((each, index, all) => each.startsWith(word) && index < all.length - 1);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then(() => {
        reject(new Error(`the process ended without '${word}': ${output}`));
      });
    });
  return {
    child,
    ready: line('ready').then(() => undefined),
    go: () => child.stdin.write('go\n'),
    line,
    ended,
  };
}

/** Runs the same code in several processes that start at the same moment. */
export async function race(
  folder: string,
  count: number,
  code: (index: number) => string,
): Promise<string[]> {
  const runners = Array.from({ length: count }, (_, index) => startProcess(folder, code(index)));
  await Promise.all(runners.map(({ ready }) => ready));
  for (const runner of runners) runner.go();
  const ends = await Promise.all(runners.map(({ ended }) => ended));
  return ends.map(({ code: status, output }) => {
    if (status !== 0) throw new Error(`a process ended with ${String(status)}: ${output}`);
    return output.replace(/^ready\n/, '').trim();
  });
}
