import { kindOf, type Bytes } from '../util/bytes.js';
import { K4netError, toK4netError } from '../errors.js';
import { findBuiltin, nextTurn } from '../platform/runtime.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';

/** What the library needs of a Node `Duplex`: TCP and TLS sockets, Unix sockets, pipes, `Duplex.from(...)`. */
export interface DuplexLike {
  on(event: string, listener: (...args: never[]) => void): unknown;
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean;
  end(): unknown;
  destroy(error?: Error): unknown;
  pause(): unknown;
  resume(): unknown;
  cork(): void;
  uncork(): void;
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  readonly readableObjectMode: boolean;
  readonly readableEncoding: string | null;
  readonly writableLength: number;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
}

/** What only some duplex streams have. */
interface Extras {
  allowHalfOpen?: boolean;
  readonly errored?: Error | null;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly autoSelectFamilyAttemptedAddresses?: unknown;
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

/** The transport over a Node duplex stream; undefined for any other value. */
export function duplexTransport(value: unknown): Transport | undefined {
  return isDuplex(value) ? new DuplexTransport(value) : undefined;
}

const nothing: Bytes = new Uint8Array(0);

const owner: unique symbol = Symbol('transport');
type Owned = DuplexLike & { readonly [owner]: DuplexTransport };

/** A Node duplex stream as a transport. From here on the stream is the transport's alone. */
export class DuplexTransport implements Transport {
  /** How many writes are under way: streams within the process may deliver inside of one. */
  static #writing = 0;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #stream: DuplexLike & Extras;
  /** A socket of the operating system: it can be reset, and a chunk that it has written is no longer its own. */
  readonly #isSystem: boolean;
  #sink: Sink | undefined;
  #starting = false;
  /** The sink wants a pause; delivery goes on in the next turn. */
  #paused = false;
  #resting = false;
  /** Bytes delivered since the last rest. */
  #delivered = 0;
  #full = false;
  /** The peer's end has come; the sink has been told of it. */
  #endSeen = false;
  #ended = false;
  #finished = false;
  #closed = false;
  #gone = false;
  #cause: K4netError | undefined;

  constructor(stream: DuplexLike) {
    if (stream.readableObjectMode || stream.readableEncoding !== null) {
      throw new TypeError('the stream gives objects or text; a socket needs one that gives bytes');
    }
    this.#stream = stream;
    const extras = this.#stream;
    this.remoteAddress = addressOf(extras.remoteAddress, extras.remotePort);
    this.localAddress = addressOf(extras.localAddress, extras.localPort);
    // An end of the peer must not end our direction, and small messages must not wait for an acknowledgement.
    if ('allowHalfOpen' in extras) extras.allowHalfOpen = true;
    extras.setNoDelay?.(true);
    this.#finished = stream.writableFinished;
    // `Duplex.from` hands a chunk to a stream behind it, and a stream within the process gives it to its reader as it
    // is: only a socket of the system is known to be done with a chunk when it says so.
    this.#isSystem = isSystemSocket(stream);
    stream.pause();
    // The stream knows its transport, so that all streams can have the same listeners.
    const owned: Owned = Object.assign(stream, { [owner]: this });
    owned.on('data', DuplexTransport.#data);
    owned.on('drain', DuplexTransport.#drain);
    owned.on('end', DuplexTransport.#end);
    owned.on('finish', DuplexTransport.#finish);
    owned.on('error', DuplexTransport.#error);
    owned.on('close', DuplexTransport.#close);
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#sink = sink;
    this.#stream.pause();
    this.#paused = false;
    this.#starting = true;
    nextTurn(() => {
      if (this.#sink === sink && !this.#closed) this.#start(sink, surplus);
    });
  }

  resume(): void {
    this.#paused = false;
    this.#flow();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    const stream = this.#stream;
    if (this.#gone) return true;
    const own = this.#isSystem ? parts : parts.map((part) => new Uint8Array(part));
    const last = own[own.length - 1];
    if (last === undefined) return true;
    let ready = true;
    const written = (error?: Error | null): void => {
      if (!error) done?.();
    };
    DuplexTransport.#writing += 1;
    try {
      if (own.length === 1) {
        ready = stream.write(last, written);
      } else {
        stream.cork();
        for (let i = 0; i < own.length - 1; i += 1) stream.write(own[i] ?? last, ignore);
        ready = stream.write(last, written);
        stream.uncork();
      }
    } finally {
      DuplexTransport.#writing -= 1;
    }
    // A stream says false before it has tried; what the system took at once leaves nothing to wait for.
    if (ready || stream.writableLength === 0) return true;
    this.#full = true;
    return false;
  }

  end(): void {
    if (this.#gone) return;
    const stream = this.#stream;
    // A socket that waits to send its end cannot be reset: the end waits until all before it is sent.
    if (!this.#isSystem || stream.writableLength === 0) {
      stream.end();
    } else {
      stream.write(nothing, () => {
        if (!this.#gone) stream.end();
      });
    }
  }

  abort(cause?: K4netError): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cause ??= cause ?? new K4netError('K4NET_CONNECTION', 'the connection was cut by this side');
    const stream = this.#stream;
    // A socket that is sending its end cannot be reset: its handle would stay open for ever. All before
    // the end is with the system by then, so the peer misses nothing.
    const ending = stream.writableEnded && !stream.writableFinished;
    try {
      // Without a reset the peer could take the cut for a clean end.
      if (!ending && !stream.destroyed) stream.resetAndDestroy?.();
    } catch {
      // Only TCP has resets: a pipe refuses.
    }
    if (!stream.destroyed) stream.destroy();
    nextTurn(() => {
      this.#onClose();
    });
  }

  ref(): void {
    this.#stream.ref?.();
  }

  unref(): void {
    this.#stream.unref?.();
  }

  #start(sink: Sink, surplus: Bytes | undefined): void {
    this.#starting = false;
    const more = surplus === undefined || surplus.length === 0 || sink.data(surplus);
    // A sink that handed over inside data() has nothing more to say: the new one starts in its own turn.
    if (this.#sink !== sink) return;
    if (this.#endSeen) this.#tellEnd();
    else if (this.#stream.readableEnded) this.#onEnd();
    if (this.#stream.destroyed) {
      this.#cause ??= this.#stream.errored
        ? toK4netError(this.#stream.errored, 'K4NET_CONNECTION', 'the connection broke')
        : undefined;
      this.#onClose();
    } else {
      this.#paused = !more;
      this.#flow();
    }
  }

  #flow(): void {
    if (!this.#gone && !this.#starting && !this.#paused && !this.#resting) this.#stream.resume();
  }

  /** Delivers nothing more in this turn. */
  #rest(): void {
    this.#delivered = 0;
    this.#stream.pause();
    if (this.#resting) return;
    this.#resting = true;
    nextTurn(() => {
      this.#resting = false;
      this.#flow();
    });
  }

  static #data(this: Owned, chunk: unknown): void {
    this[owner].#onData(chunk);
  }

  static #drain(this: Owned): void {
    this[owner].#onDrain();
  }

  static #end(this: Owned): void {
    this[owner].#onEnd();
  }

  static #finish(this: Owned): void {
    this[owner].#finished = true;
    this[owner].#settle();
  }

  static #error(this: Owned, error: Error): void {
    this[owner].#onError(error);
  }

  static #close(this: Owned): void {
    this[owner].#onClose();
  }

  #onDrain(): void {
    if (!this.#full || this.#gone) return;
    this.#full = false;
    this.#sink?.drain();
  }

  #onError(error: Error): void {
    this.#cause ??= toK4netError(error, 'K4NET_CONNECTION', 'the connection broke');
    // Not every stream destroys itself, or says so, when it has failed.
    if (!this.#stream.destroyed) this.#stream.destroy();
    nextTurn(() => {
      this.#onClose();
    });
  }

  #onData(chunk: unknown): void {
    if (this.#gone || !this.#sink) return;
    if (!(chunk instanceof Uint8Array)) {
      this.abort(new K4netError('K4NET_CONNECTION', `the stream gave ${kindOf(chunk)}, not bytes`));
    } else if (DuplexTransport.#writing > 0 && this.#stream.unshift) {
      // Whoever writes is not to hear of anything before it has done with the write.
      this.#rest();
      this.#stream.unshift(chunk);
    } else {
      this.#delivered += chunk.length;
      if (!this.#sink.data(chunk)) {
        this.#paused = true;
        this.#stream.pause();
      }
      if (this.#delivered >= maxBytesPerTurn) this.#rest();
    }
  }

  /**
   * A reset that comes together with data is an end as libuv tells it. The next write fails after a reset, so an empty one
   * tells the two apart; its error comes before the next turn.
   */
  #onEnd(): void {
    if (this.#endSeen || this.#gone) return;
    this.#endSeen = true;
    const stream = this.#stream;
    // Pipes and Unix sockets have no reset, and no address.
    const isTcp = this.#isSystem && stream.localAddress !== undefined;
    if (isTcp && stream.writableLength === 0 && !stream.writableEnded && !stream.destroyed) {
      stream.write(nothing, ignore);
    }
    nextTurn(() => {
      this.#tellEnd();
    });
  }

  #tellEnd(): void {
    if (!this.#endSeen || this.#ended || this.#gone || this.#starting || this.#cause || !this.#sink) return;
    this.#ended = true;
    this.#sink.end();
    this.#settle();
  }

  /** Not every stream destroys itself, or says so, when both its directions have ended. */
  #settle(): void {
    if (!this.#ended || !this.#finished || this.#gone) return;
    if (!this.#stream.destroyed) this.#stream.destroy();
    nextTurn(() => {
      this.#onClose();
    });
  }

  #onClose(): void {
    if (this.#closed || this.#starting || !this.#sink) return;
    this.#tellEnd();
    this.#closed = true;
    this.#gone = true;
    if (!this.#cause && !(this.#ended && this.#finished)) {
      this.#cause = new K4netError('K4NET_CONNECTION', 'the stream was destroyed');
    }
    this.#sink.close(this.#cause);
  }
}

/** TCP, TLS, Unix sockets: what was written is with the system, or encrypted, when the write is done. */
function isSystemSocket(stream: object): boolean {
  const net = findBuiltin('node:net');
  return net !== undefined && stream instanceof net.Socket;
}

function addressOf(address: string | undefined, port: number | undefined): string {
  if (!address) return '';
  const host = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? host : `${host}:${port}`;
}

function ignore(): void {
  // A failed part fails the stream too, which says so itself.
}
