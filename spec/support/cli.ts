import { execFile, type ExecFileException } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command of the package. */
export const main: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** The exit code and the output of a command. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command of the package in another process. */
export function runCli(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      options,
      (error: ExecFileException | null, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}
