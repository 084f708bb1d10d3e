import type { ChildProcess } from 'node:child_process';
import { format, promisify } from 'node:util';

/**
 * A process warning, a line on the console, or what a child process wrote to its standard error.
 */
export interface Warning extends Error {
  readonly code?: string;
}

// Looked up once: tests may replace the timers.
const turn = promisify(setImmediate);

/** The warnings that no test has taken yet. */
export const warnings: Warning[] = [];

function record(warning: Warning): void {
  warnings.push(warning);
}

/** Records warnings instead of printing them. The returned function restores printing. */
export function recordWarnings(): () => void {
  const printers = process.listeners('warning');
  const { warn, error } = console;
  process.removeAllListeners('warning');
  process.on('warning', record);
  console.warn = console.error = (...words: unknown[]): void => {
    record(new Error(format(...words)));
  };
  return () => {
    process.off('warning', record);
    for (const print of printers) process.on('warning', print);
    Object.assign(console, { warn, error });
  };
}

/**
 * Takes the recorded warnings. A test that provokes warnings takes and checks them, because
 * warnings that no test takes fail the test.
 */
export async function takeWarnings(): Promise<Warning[]> {
  // The process emits a warning in the tick after it was created.
  await turn();
  return warnings.splice(0);
}

/** Makes whatever a child process writes to its standard error a warning that no test expects. */
export function recordStderr({ stderr, spawnfile, pid }: ChildProcess): void {
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    record(new Error(`${spawnfile} (process ${pid}) wrote: ${text}`));
  });
}
