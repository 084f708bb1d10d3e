import type { Bytes } from '../util/bytes.js';

/** The methods of a Node `EventEmitter`. */
interface NodeEvents {
  addListener(event: string | symbol, listener: (...args: never[]) => void): this;
  on(event: string | symbol, listener: (...args: never[]) => void): this;
  once(event: string | symbol, listener: (...args: never[]) => void): this;
  removeListener(event: string | symbol, listener: (...args: never[]) => void): this;
  off(event: string | symbol, listener: (...args: never[]) => void): this;
  removeAllListeners(event?: string | symbol): this;
  setMaxListeners(count: number): this;
  getMaxListeners(): number;
  listeners(event: string | symbol): ((...args: never[]) => unknown)[];
  rawListeners(event: string | symbol): ((...args: never[]) => unknown)[];
  emit(event: string | symbol, ...args: unknown[]): boolean;
  listenerCount(event: string | symbol): number;
  prependListener(event: string | symbol, listener: (...args: never[]) => void): this;
  prependOnceListener(event: string | symbol, listener: (...args: never[]) => void): this;
  eventNames(): (string | symbol)[];
}

/** A Node `Readable` of messages, which `pipeline` takes. Each chunk is one message. */
export interface MessageReadable extends NodeEvents, AsyncIterable<Bytes> {
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  pipe<T>(destination: T, options?: { readonly end?: boolean }): T;
  pause(): this;
  resume(): this;
  destroy(error?: Error): this;
}

/** A Node `Writable`, which `pipeline` takes. Each chunk becomes one message. */
export interface MessageWritable extends NodeEvents {
  readonly writable: boolean;
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  write(chunk: Uint8Array | string, callback?: (error?: Error | null) => void): boolean;
  write(text: string, encoding?: string, callback?: (error?: Error | null) => void): boolean;
  end(callback?: () => void): this;
  end(chunk: Uint8Array | string, callback?: () => void): this;
  end(text: string, encoding?: string, callback?: () => void): this;
  destroy(error?: Error): this;
}

/** The part of a socket that its streams use. */
export interface StreamedSocket {
  readonly closed: Promise<{ readonly error?: Error }>;
  tryRecv(): Bytes | undefined;
  recv(options: { readonly signal: AbortSignal }): Promise<Bytes>;
  send(message: Bytes): Promise<void>;
  end(): Promise<void>;
}
