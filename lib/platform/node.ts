import type * as Crypto from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type * as Fs from 'node:fs';
import type * as Http from 'node:http';
import type * as Net from 'node:net';
import type * as Os from 'node:os';
import type * as Path from 'node:path';
import type * as Stream from 'node:stream';
import type * as Util from 'node:util';
import type * as WorkerThreads from 'node:worker_threads';
import {
  allocatorWarmUp,
  type Detach,
  findTransfer,
  postTask,
  warnOnConsole,
  type WebHost,
} from './portable.js';

export { minFreedBytes, print } from './portable.js';

// The form of `#platform` for Node, Bun, Deno and workers. It checks at run time for every API that
// it uses.

/** The built-in modules of Node that the library uses where the runtime has them. */
export interface Builtins {
  readonly 'node:crypto': typeof Crypto;
  readonly 'node:events': typeof EventEmitter;
  readonly 'node:fs': typeof Fs;
  readonly 'node:http': typeof Http;
  readonly 'node:net': typeof Net;
  readonly 'node:os': typeof Os;
  readonly 'node:path': typeof Path;
  readonly 'node:stream': typeof Stream;
  readonly 'node:util': typeof Util;
  readonly 'node:worker_threads': typeof WorkerThreads;
}

/** A TCP or Unix socket of Node. */
export type NodeSocket = Net.Socket;
/** A listening socket of Node. */
export type NodeServer = Net.Server;
/** An HTTP server of Node. */
export type NodeHttpServer = Http.Server;
/** A request that an HTTP server of Node has received. */
export type NodeRequest = Http.IncomingMessage;

interface NodeHost extends WebHost {
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly nextTick?: (task: () => void) => void;
    readonly emitWarning?: (warning: string | Error, options?: { type: string; code: string }) => void;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly channel?: { readonly fd?: number };
    readonly geteuid?: () => number;
    readonly platform?: string;
    readonly release?: { readonly name?: string };
    readonly versions?: Readonly<Record<'node' | 'bun' | 'deno', string | undefined>>;
  };
  readonly Buffer?: { allocUnsafeSlow(length: number): Uint8Array };
  readonly setImmediate?: (task: () => void) => unknown;
}

const host: NodeHost = globalThis as never;

/** A built-in module of Node, or undefined where the runtime has none. */
export function findBuiltin<K extends keyof Builtins>(name: K): Builtins[K] | undefined {
  return host.process?.getBuiltinModule?.(name) as Builtins[K] | undefined;
}

/** The value of an environment variable; undefined if it is not set or the runtime has none. */
export function environment(name: string): string | undefined {
  return host.process?.env?.[name];
}

/** Whether the runtime is Node itself, and not one that has its modules too. */
export function isNode(): boolean {
  const { node, bun, deno } = host.process?.versions ?? {};
  return node !== undefined && bun === undefined && deno === undefined;
}

/** The operating system by Node's name for it, or an empty string. */
export function platform(): string {
  return host.process?.platform ?? '';
}

/** The effective user ID of the process; undefined on Windows and wherever there is no user ID. */
export function userId(): number | undefined {
  return host.process?.geteuid?.();
}

/** The file descriptor of the channel of `fork`, if the process has one. */
export function channelDescriptor(): number | undefined {
  return host.process?.channel?.fd;
}

/** Allows any number of listeners on a signal. By default Node warns from the eleventh on. */
export function allowListeners(signal: AbortSignal): void {
  findBuiltin('node:events')?.setMaxListeners(0, signal);
}

/**
 * Emits a process warning with a code, or prints to the console where the runtime has no warnings.
 *
 * @param cause - the error behind the warning. Its stack is printed too.
 */
export function emitWarning(message: string, code: string, cause?: unknown): void {
  const type = 'K4netWarning';
  if (!host.process?.emitWarning) warnOnConsole(message, code);
  else if (cause === undefined) host.process.emitWarning(message, { type, code });
  else host.process.emitWarning(Object.assign(new Error(message, { cause }), { name: type, code }));
}

/** Prints debug lines to standard error if NODE_DEBUG names the section; otherwise undefined. */
export function debugLog(section: string): ((line: string) => void) | undefined {
  const log = findBuiltin('node:util')?.debuglog(section);
  return log?.enabled
    ? (line) => {
        log('%s', line);
      }
    : undefined;
}

/**
 * A buffer with arbitrary content where the runtime has those: write every byte before you read
 * any.
 */
export function allocateUnsafe(length: number): Uint8Array {
  const unsafe = host.Buffer?.allocUnsafeSlow(length);
  return unsafe ? new Uint8Array(unsafe.buffer, 0, length) : new Uint8Array(length);
}

let detach: Detach | undefined;

function findDetach(): Detach {
  const transfer = findTransfer();
  if (transfer) return transfer;
  // Only Node is known to drop messages to a closed port at once.
  if (!host.MessageChannel || host.process?.release?.name !== 'node') return () => undefined;
  const { port1, port2 } = new host.MessageChannel();
  port1.close();
  return (buffer) => {
    port2.postMessage(undefined, [buffer]);
  };
}

/**
 * Frees the memory of a buffer now; every view of it becomes empty. Garbage collection would free
 * it later, but until then each new buffer is memory outside the processor caches.
 */
export function freeBuffer(buffer: ArrayBufferLike): void {
  if (!detach) {
    detach = findDetach();
    detach(allocateUnsafe(allocatorWarmUp).buffer);
  }
  detach(buffer);
}

/** Runs a task in a later turn of the event loop, after pending input and output. */
export const nextTurn: (task: () => void) => void = host.setImmediate
  ? (task) => void host.setImmediate?.(task)
  : postTask;

/**
 * Runs a task after the code that runs now, including its awaits of settled promises. A microtask
 * would run between two such awaits, so without `process.nextTick` it is a turn of the event loop.
 */
export const afterTick: (task: () => void) => void = host.process?.nextTick ?? postTask;
