import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Says what to do where there is no build: `npm test` makes one, vitest alone does not. */
export function needDist(): void {
  if (existsSync(new URL('../../dist/index.js', import.meta.url))) return;
  throw new Error(
    'there is no dist/index.js: this test is of the built package, so run "npm run build" first',
  );
}

/** How a program came to its end, and what it said. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a program to its end.
 *
 * @param onOut - hears all that was said so far, whenever more is.
 */
export function run(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly onOut?: (out: string) => void;
    /** Milliseconds after which the program is ended. Default: never. */
    readonly timeout?: number;
  } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { cwd = root, timeout } = options;
    const child = spawn(command, args, { cwd, timeout, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      options.onOut?.(out);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, out, err });
    });
  });
}
