import { childTransport, parentTransport } from '#net';
import type { Transport } from '../transport/transport.js';
import { countRule, checkOptions, type OptionTable } from '../util/options.js';

/** The part of a Node `ChildProcess` that the library uses. */
export interface ChildProcessLike {
  readonly stdio: readonly unknown[];
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  once(event: string, listener: (...args: never[]) => void): unknown;
}

/** Options of {@link fromChildProcess} and {@link fromParentProcess}. */
export interface ProcessPipeOptions {
  /**
   * The file descriptor of the pipe in the child, which is its index in the option `stdio` of
   * `spawn`. From 3 on; default 3.
   */
  readonly fd?: number | undefined;
}

const pipeOptions: OptionTable<ProcessPipeOptions> = { fd: countRule(3, 3, 1023) };

/**
 * The carrier to a child process, over a pipe of its own: text that the child prints does no harm.
 * Spawn the child with `'pipe'` at index 3 of `stdio`. The child calls {@link fromParentProcess}.
 *
 * The last messages of a child arrive after its exit too. Then `recv` rejects with
 * `K4NET_CONNECTION` if the exit code is not 0 or a signal has ended the child, unless this side
 * had ended before. The carrier never ends the child.
 *
 * @example
 * ```ts
 * import { spawn } from 'node:child_process';
 * import { fromChildProcess, LockedSocket } from 'k4net';
 *
 * const program = `
 *   import { fromParentProcess, LockedSocket } from 'k4net';
 *   const sock = new LockedSocket(fromParentProcess());
 *   for await (const text of sock.texts()) await sock.send('the child got ' + text);
 * `;
 * const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
 *   stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
 * });
 * const sock = new LockedSocket(fromChildProcess(child));
 * await sock.send('hello');
 * console.log(await sock.recvText());
 * await sock.close();
 * ```
 *
 * @throws K4netError `K4NET_CONNECT` if the child has no pipe there, `K4NET_UNSUPPORTED` in the
 * build for browsers.
 * @throws TypeError or RangeError for an invalid option.
 */
export function fromChildProcess(child: ChildProcessLike, options?: ProcessPipeOptions): Transport {
  return childTransport(child, checkOptions('fromChildProcess', options, pipeOptions).fd);
}

/**
 * The carrier to the parent process: the other end of {@link fromChildProcess}. A process can open
 * each pipe once.
 *
 * The socket over it keeps the process alive while it is open; see `unref`. When the parent exits,
 * the socket ends.
 *
 * @throws K4netError `K4NET_CONNECT` if the process has no such pipe, `K4NET_STATE` if it has
 * opened that pipe before, `K4NET_UNSUPPORTED` in other runtimes than Node.
 * @throws TypeError or RangeError for an invalid option.
 */
export function fromParentProcess(options?: ProcessPipeOptions): Transport {
  return parentTransport(checkOptions('fromParentProcess', options, pipeOptions).fd);
}
