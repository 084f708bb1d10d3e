import { findBuiltin } from '../platform/runtime.js';

/** The part of a Node `Readable` that the library uses. */
export interface NodeReadableLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  destroy(error?: Error): unknown;
  pause(): unknown;
  resume(): unknown;
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  readonly readableObjectMode: boolean;
  readonly readableEncoding: string | null;
}

/** The part of a Node `Writable` that the library uses. */
export interface NodeWritableLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean;
  end(): unknown;
  destroy(error?: Error): unknown;
  cork(): void;
  uncork(): void;
  readonly destroyed: boolean;
  readonly writableLength: number;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
}

/**
 * The part of a Node `Duplex` that the library uses: TCP and TLS sockets, Unix sockets, pipes,
 * `Duplex.from(...)`.
 */
export interface DuplexLike extends NodeReadableLike, NodeWritableLike {}

/** Two Node streams of bytes, one for each direction, such as the output and input of a child. */
export interface NodeStreamPair {
  readonly readable: NodeReadableLike;
  readonly writable: NodeWritableLike;
}

/** Properties that only some streams have, such as sockets of the operating system. */
export interface StreamExtras {
  allowHalfOpen?: boolean;
  readonly errored?: Error | null;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  setNoDelay?(on: boolean): unknown;
  resetAndDestroy?(): unknown;
  unshift?(chunk: Uint8Array): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/** Whether a value has the shape of a Node duplex stream. */
export function isDuplex(value: unknown): value is DuplexLike {
  if (typeof value !== 'object' || value === null) return false;
  const { on, write, cork, destroy, resume } = value as Partial<DuplexLike>;
  return [on, write, cork, destroy, resume].every((method) => typeof method === 'function');
}

/**
 * Whether a stream is a TCP, TLS or Unix socket: the system has a chunk, or its ciphertext, when
 * the write is done. Other streams can pass the chunk on as it is, so its memory must not be
 * reused.
 */
export function isSystemSocket(stream: object): boolean {
  const net = findBuiltin('node:net');
  return net !== undefined && stream instanceof net.Socket;
}

/** `address:port` of one end of a stream, or an empty string. */
export function formatAddress(address: string | undefined, port: number | undefined): string {
  if (!address) return '';
  const host = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? host : `${host}:${port}`;
}
