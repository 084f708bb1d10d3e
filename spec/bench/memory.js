import { setImmediate as turn } from 'node:timers/promises';

/** Bytes of memory that this process holds when all that it can spare is freed. It needs `--expose-gc`. */
export async function memoryInUse() {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc();
    await turn();
  }
  return process.memoryUsage.rss();
}

/**
 * Options of Node for a process that is weighed: without the second one the space for new objects comes and goes by
 * more than a thousand connections need.
 */
export const weighable = ['--expose-gc', '--max-semi-space-size=1'];
