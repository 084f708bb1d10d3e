// Code for every runtime with the standard web APIs. Both forms of `#platform` are built on it.

/** The globals that this folder looks for. Each may be missing, so none is used without a check. */
export interface WebHost {
  readonly console?: { log(line: string): void; warn(message: string): void };
  readonly MessageChannel?: new () => {
    readonly port1: { onmessage: (() => void) | null; close(): void };
    readonly port2: { postMessage(message: unknown, transfer?: readonly ArrayBufferLike[]): void };
  };
}

const host: WebHost = globalThis as never;

const posted: (() => void)[] = [];
let wake: (() => void) | undefined;

/** Runs a task in a later turn of the event loop. */
export function postTask(task: () => void): void {
  wake ??= openChannel();
  posted.push(task);
  wake();
}

function openChannel(): () => void {
  const run = (): void => {
    posted.shift()?.();
  };
  if (!host.MessageChannel) return () => setTimeout(run);
  // Unlike nested timers, messages have no minimum delay of 4 ms.
  const { port1, port2 } = new host.MessageChannel();
  port1.onmessage = run;
  return () => {
    port2.postMessage(0);
  };
}

/** Detaches a buffer from every view of it, so that its memory is free at once. */
export type Detach = (buffer: ArrayBufferLike) => void;

/** `ArrayBuffer.prototype.transfer` as a way to detach; undefined where the runtime lacks it. */
export function findTransfer(): Detach | undefined {
  const { transfer } = ArrayBuffer.prototype as {
    transfer?: (this: ArrayBufferLike, length: number) => unknown;
  };
  return transfer && ((buffer) => void transfer.call(buffer, 0));
}

/** Detaching a shorter buffer costs more time than it saves. */
export const minFreedBytes: number = 16 * 1024;

/**
 * Many allocators return memory to the system page by page, and request it again, until they have
 * seen large buffers freed. One free of this size is the allocator warm-up.
 */
export const allocatorWarmUp: number = 8 * 1024 * 1024;

/** Prints a line to the standard output of the program. */
export function print(line: string): void {
  host.console?.log(line);
}

/** Prints a warning to the console. */
export function warnOnConsole(message: string, code: string): void {
  host.console?.warn(`(${code}) ${message}`);
}
