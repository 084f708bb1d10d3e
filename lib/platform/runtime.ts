import type * as Crypto from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type * as Fs from 'node:fs';
import type * as Net from 'node:net';
import type * as Os from 'node:os';
import type * as Path from 'node:path';
import type * as Util from 'node:util';
import { K4netError } from '../errors.js';

/** The built-in modules of Node that the library can use, where the runtime has them. */
interface Builtins {
  readonly 'node:crypto': typeof Crypto;
  readonly 'node:events': typeof EventEmitter;
  readonly 'node:fs': typeof Fs;
  readonly 'node:net': typeof Net;
  readonly 'node:os': typeof Os;
  readonly 'node:path': typeof Path;
  readonly 'node:util': typeof Util;
}

/** A TCP or Unix socket of Node. */
export type NodeSocket = Net.Socket;
/** A listening socket of Node. */
export type NodeServer = Net.Server;

/** The parts of Node's global objects that this file looks for; each may be missing. */
interface Host {
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly nextTick?: (task: () => void) => void;
    readonly emitWarning?: (warning: string | Error, options?: { type: string; code: string }) => void;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly pid?: number;
    readonly geteuid?: () => number;
    readonly platform?: string;
    readonly release?: { readonly name?: string };
  };
  readonly Buffer?: { allocUnsafeSlow(length: number): Uint8Array };
  readonly setImmediate?: (task: () => void) => unknown;
  readonly console?: { log(line: string): void; warn(message: string): void };
  readonly MessageChannel?: new () => {
    readonly port1: { onmessage: (() => void) | null; close(): void };
    readonly port2: { postMessage(message: unknown, transfer?: readonly ArrayBufferLike[]): void };
  };
}

const host: Host = globalThis as never;

/** A built-in module of Node, or undefined where the runtime has none. */
export function findBuiltin<K extends keyof Builtins>(name: K): Builtins[K] | undefined {
  return host.process?.getBuiltinModule?.(name) as Builtins[K] | undefined;
}

/**
 * A built-in module of Node.
 *
 * @param need - what it is for, as the error says it.
 * @throws K4netError `K4NET_UNSUPPORTED` where the runtime has no such module.
 */
export function builtin<K extends keyof Builtins>(name: K, need: string): Builtins[K] {
  const found = findBuiltin(name);
  if (found) return found;
  throw new K4netError('K4NET_UNSUPPORTED', `${need} needs ${name}, which this runtime does not have`);
}

/** The value of an environment variable, where there are any. */
export function environment(name: string): string | undefined {
  return host.process?.env?.[name];
}

/** The operating system as Node names it, or an empty string. */
export function platform(): string {
  return host.process?.platform ?? '';
}

/** A number that tells this process from others on the machine, 0 where there is none. */
export function processId(): number {
  return host.process?.pid ?? 0;
}

/**
 * The user whose rights this process has; undefined where there are no such numbers, as on Windows.
 */
export function userId(): number | undefined {
  return host.process?.geteuid?.();
}

/** Lets any number of listeners wait on a signal: Node warns from the eleventh on. */
export function allowListeners(signal: AbortSignal): void {
  findBuiltin('node:events')?.setMaxListeners(0, signal);
}

/**
 * Tells the operator something; a process warning with a code where there are such.
 *
 * @param cause - the error behind it, with its stack.
 */
export function emitWarning(message: string, code: string, cause?: unknown): void {
  const type = 'K4netWarning';
  if (!host.process?.emitWarning) host.console?.warn(`(${code}) ${message}`);
  else if (cause === undefined) host.process.emitWarning(message, { type, code });
  else host.process.emitWarning(Object.assign(new Error(message, { cause }), { name: type, code }));
}

/** What prints lines on standard error as Node's own modules do; undefined unless NODE_DEBUG names the section. */
export function debugLog(section: string): ((line: string) => void) | undefined {
  const log = findBuiltin('node:util')?.debuglog(section);
  return log?.enabled
    ? (line) => {
        log('%s', line);
      }
    : undefined;
}

/** Prints a line where the program prints its own. */
export function print(line: string): void {
  host.console?.log(line);
}

/**
 * A buffer whose content is arbitrary, where the runtime has such: for bytes that are all written before any is read.
 */
export function allocateUnsafe(length: number): Uint8Array {
  const unsafe = host.Buffer?.allocUnsafeSlow(length);
  return unsafe ? new Uint8Array(unsafe.buffer, 0, length) : new Uint8Array(length);
}

type Detacher = (buffer: ArrayBufferLike) => void;

let detacher: Detacher | undefined;

function findDetacher(): Detacher {
  const { transfer } = ArrayBuffer.prototype as {
    transfer?: (this: ArrayBufferLike, length: number) => unknown;
  };
  if (transfer) return (buffer) => void transfer.call(buffer, 0);
  // Elsewhere than in Node nobody says that what goes to a closed port is dropped at once.
  if (!host.MessageChannel || host.process?.release?.name !== 'node') return () => undefined;
  const { port1, port2 } = new host.MessageChannel();
  port1.close();
  return (buffer) => {
    port2.postMessage(undefined, [buffer]);
  };
}

/** For shorter buffers giving back costs more than it saves. */
export const minFreedBytes: number = 16 * 1024;

/**
 * What is given back once, before anything else is: many allocators hand memory back to the system page by page, only to
 * ask for it again, until they have seen that buffers of some size come and go.
 */
const allocatorWarmUp = 8 * 1024 * 1024;

/**
 * Gives the memory of a buffer back now, which takes its bytes from whoever still has a view of it. The next collection
 * of garbage would do it too, but until then each new buffer is memory that the processor has not seen lately: that
 * costs as much as what is done with it.
 */
export function freeBuffer(buffer: ArrayBufferLike): void {
  if (!detacher) {
    detacher = findDetacher();
    detacher(allocateUnsafe(allocatorWarmUp).buffer);
  }
  detacher(buffer);
}

const posted: (() => void)[] = [];
let wake: (() => void) | undefined;

function post(task: () => void): void {
  wake ??= openChannel();
  posted.push(task);
  wake();
}

function openChannel(): () => void {
  if (!host.MessageChannel) throw new K4netError('K4NET_UNSUPPORTED', 'this runtime has no MessageChannel');
  const { port1, port2 } = new host.MessageChannel();
  port1.onmessage = () => posted.shift()?.();
  return () => {
    port2.postMessage(0);
  };
}

/** Runs a task in a later turn of the event loop, after input and output had their chance. */
export const nextTurn: (task: () => void) => void = host.setImmediate
  ? (task) => void host.setImmediate?.(task)
  : post;

/**
 * Runs a task once the code that runs now, awaits of settled promises included, has come to its end. A microtask
 * would run between two of those awaits, so where there are no ticks it is a turn of the event loop.
 */
export const afterTick: (task: () => void) => void = host.process?.nextTick ?? post;
