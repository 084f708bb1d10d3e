import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Throws if there is no build: `npm test` makes one, vitest alone does not. */
export function needDist(): void {
  if (existsSync(new URL('../../dist/index.js', import.meta.url))) return;
  throw new Error(
    'there is no dist/index.js: this test is of the built package, so run "npm run build" first',
  );
}

/** The exit code and the output of a program. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a program to its end.
 *
 * @param onOut - called with the whole output so far, whenever it grows.
 */
export function run(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly onOut?: (out: string) => void;
    /** Milliseconds after which the program is ended. Default: never. */
    readonly timeout?: number;
    /** Environment variables beside those of this process. */
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { cwd = root, timeout } = options;
    const env = { ...process.env, ...options.env };
    const child = spawn(command, args, { cwd, timeout, env, stdio: ['ignore', 'pipe', 'pipe'] });
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
