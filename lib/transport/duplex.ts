import { kindOf, noBytes, type Bytes } from '../util/bytes.js';
import { K4netError, toK4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import { formatAddress, isSystemSocket, type DuplexLike, type StreamExtras } from './duplex-like.js';
import { maxBytesPerTurn, type Sink, type Transport } from './transport.js';

export { isDuplex, type DuplexLike } from './duplex-like.js';

const owner: unique symbol = Symbol('transport');
type Owned = DuplexLike & { readonly [owner]: DuplexTransport };

/** A Node duplex stream as a transport. The transport owns the stream from here on. */
export class DuplexTransport implements Transport {
  /** Writes under way in this process: streams within the process can deliver inside of a write. */
  static #writing = 0;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #stream: DuplexLike & StreamExtras;
  /**
   * Whether it is a socket of the operating system: it can be reset, and it copies what it writes.
   */
  readonly #isSystem: boolean;
  #sink: Sink | undefined;
  #starting = false;
  /** The sink applies backpressure: no data until `resume`. */
  #paused = false;
  /** No data until the next turn of the event loop. */
  #resting = false;
  /** Bytes delivered since the last rest. */
  #delivered = 0;
  /** The sink waits for `drain`. */
  #needDrain = false;
  /** The peer's end has arrived; `#ended`: the sink has been notified. */
  #endSeen = false;
  #ended = false;
  #finished = false;
  #closed = false;
  #gone = false;
  #cause: K4netError | undefined;

  constructor(stream: DuplexLike) {
    if (stream.readableObjectMode || stream.readableEncoding !== null) {
      throw new TypeError('the stream gives objects or text, but a socket needs a stream of bytes');
    }
    this.#stream = stream;
    const extras = this.#stream;
    this.remoteAddress = formatAddress(extras.remoteAddress, extras.remotePort);
    this.localAddress = formatAddress(extras.localAddress, extras.localPort);
    // Half-close: the end of the peer must not end our direction.
    if ('allowHalfOpen' in extras) extras.allowHalfOpen = true;
    // Small messages must not wait for an acknowledgement (Nagle's algorithm).
    extras.setNoDelay?.(true);
    this.#finished = stream.writableFinished;
    this.#isSystem = isSystemSocket(stream);
    stream.pause();
    // The stream refers to its transport, so that all streams share the same listeners.
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
    const chunks = this.#isSystem ? parts : parts.map((part) => new Uint8Array(part));
    const last = chunks[chunks.length - 1];
    if (last === undefined) return true;
    let ready = true;
    const written = (error?: Error | null): void => {
      if (!error) done?.();
    };
    DuplexTransport.#writing += 1;
    try {
      if (chunks.length === 1) {
        ready = stream.write(last, written);
      } else {
        stream.cork();
        for (let i = 0; i < chunks.length - 1; i += 1) stream.write(chunks[i] ?? last, ignore);
        ready = stream.write(last, written);
        stream.uncork();
      }
    } finally {
      DuplexTransport.#writing -= 1;
    }
    // A stream returns false before it tries: nothing to wait for if the system took everything at
    // once.
    if (ready || stream.writableLength === 0) return true;
    this.#needDrain = true;
    return false;
  }

  end(): void {
    if (this.#gone) return;
    const stream = this.#stream;
    // libuv cannot reset a socket that waits to send its end, so end after everything before it is
    // sent.
    if (!this.#isSystem || stream.writableLength === 0) {
      stream.end();
    } else {
      stream.write(noBytes, () => {
        if (!this.#gone) stream.end();
      });
    }
  }

  abort(cause?: K4netError): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cause ??= cause ?? new K4netError('K4NET_CONNECTION', 'this side cut the connection');
    const stream = this.#stream;
    // A reset of a socket that sends its end would leave its handle open for ever. All data before
    // the end is with the system by then, so the peer misses nothing.
    const ending = stream.writableEnded && !stream.writableFinished;
    try {
      // A reset, because the peer could mistake a plain close for a clean end.
      if (!ending && !stream.destroyed) stream.resetAndDestroy?.();
    } catch {
      // Only TCP has resets: a pipe throws.
    }
    if (!stream.destroyed) stream.destroy();
    this.#closeSoon();
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
    // The sink can hand over inside data(): then the new sink starts in its own turn.
    if (this.#sink !== sink) return;
    if (this.#endSeen) this.#notifyEnd();
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

  /** Delivers nothing more in this turn of the event loop. */
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
    // Bun emits `end` after `destroy()` too: that is not the end of the peer.
    if (!this.destroyed) this[owner].#onEnd();
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
    if (!this.#needDrain || this.#gone) return;
    this.#needDrain = false;
    this.#sink?.drain();
  }

  #onError(error: Error): void {
    this.#cause ??= toK4netError(error, 'K4NET_CONNECTION', 'the connection broke');
    this.#destroy();
  }

  #onData(chunk: unknown): void {
    if (this.#gone || !this.#sink) return;
    if (!(chunk instanceof Uint8Array)) {
      this.abort(new K4netError('K4NET_CONNECTION', `the stream gave ${kindOf(chunk)}, not bytes`));
    } else if (DuplexTransport.#writing > 0 && this.#stream.unshift) {
      // A sink must not get data inside its own write.
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
   * libuv reports a reset that arrives together with data as an end. An empty write tells the two
   * apart: after a reset it fails, before the next turn of the event loop.
   */
  #onEnd(): void {
    if (this.#endSeen || this.#gone) return;
    this.#endSeen = true;
    const stream = this.#stream;
    // Pipes and Unix sockets have neither a reset nor an address.
    const isTcp = this.#isSystem && stream.localAddress !== undefined;
    if (isTcp && stream.writableLength === 0 && !stream.writableEnded && !stream.destroyed) {
      stream.write(noBytes, ignore);
    }
    nextTurn(() => {
      this.#notifyEnd();
    });
  }

  #notifyEnd(): void {
    if (!this.#endSeen || this.#ended || this.#gone || this.#starting || this.#cause || !this.#sink) return;
    this.#ended = true;
    this.#sink.end();
    this.#settle();
  }

  #settle(): void {
    if (this.#ended && this.#finished && !this.#gone) this.#destroy();
  }

  /**
   * Not every stream destroys itself, or emits `close`, after a failure or when both directions
   * have ended.
   */
  #destroy(): void {
    if (!this.#stream.destroyed) this.#stream.destroy();
    this.#closeSoon();
  }

  #closeSoon(): void {
    nextTurn(() => {
      this.#onClose();
    });
  }

  #onClose(): void {
    if (this.#closed || this.#starting || !this.#sink) return;
    this.#notifyEnd();
    this.#closed = true;
    this.#gone = true;
    if (!this.#cause && !(this.#ended && this.#finished)) {
      this.#cause = new K4netError('K4NET_CONNECTION', 'the stream was destroyed');
    }
    this.#sink.close(this.#cause);
  }
}

/** Returns a transport over a Node duplex stream. */
export function duplexTransport(stream: DuplexLike): Transport {
  return new DuplexTransport(stream);
}

function ignore(): void {
  // The failure of a part also fails the stream, which emits the error itself.
}
