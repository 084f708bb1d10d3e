import { isSystemSocket } from './duplex-like.js';
import type {
  DuplexLike,
  NodeReadableLike,
  NodeStreamPair,
  NodeWritableLike,
  StreamExtras,
} from './duplex-like.js';

type Listener = (...args: never[]) => void;

/**
 * Two Node streams as one duplex stream. `Duplex.from` would do, but it buffers again, it destroys
 * a finished writable that has not been read at its other end, and it drops unread data as soon as
 * the writable closes, as that of a child process does when the child exits.
 */
export class JoinedStreams implements DuplexLike {
  readonly #readable: NodeReadableLike & StreamExtras;
  readonly #writable: NodeWritableLike & StreamExtras;
  /** The readable has ended, and was not destroyed before. */
  #ended: boolean;
  /** `process.stdout` does not stay destroyed. */
  #destroyed: boolean;

  constructor({ readable, writable }: NodeStreamPair) {
    this.#readable = readable;
    this.#writable = writable;
    this.#ended = readable.readableEnded;
    this.#destroyed = this.#isOver();
    readable.on('end', () => {
      this.#ended = !readable.destroyed;
    });
    if (this.destroyed) this.destroy();
  }

  on(event: string, listener: Listener): this {
    const bound = listener.bind(this);
    if (event === 'close') {
      // One direction that closes after its end is a half-close.
      const onClose = (): void => {
        this.#destroyed ||= this.#isOver();
        if (!this.destroyed) return;
        // Only once: `process.stdout` emits `close` for each call.
        if (!this.#destroyed) this.destroy();
        bound();
      };
      for (const name of ['end', 'close']) this.#readable.on(name, onClose);
      this.#writable.on('close', onClose);
      return this;
    }
    if (event !== 'drain' && event !== 'finish') this.#readable.on(event, bound);
    if (event !== 'data' && event !== 'end') this.#writable.on(event, bound);
    return this;
  }

  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean {
    return this.#writable.write(chunk, callback);
  }

  end(): void {
    this.#writable.end();
  }

  destroy(error?: Error): void {
    this.#destroyed = true;
    this.#readable.destroy(error);
    // The reader of a stream in memory may not have read what this side has finished writing.
    if (!this.#writable.writableFinished || isSystemSocket(this.#writable)) this.#writable.destroy(error);
  }

  pause(): void {
    this.#readable.pause();
  }

  resume(): void {
    this.#readable.resume();
  }

  cork(): void {
    this.#writable.cork();
  }

  uncork(): void {
    this.#writable.uncork();
  }

  unshift(chunk: Uint8Array): void {
    this.#readable.unshift?.(chunk);
  }

  ref(): void {
    this.#readable.ref?.();
    this.#writable.ref?.();
  }

  unref(): void {
    this.#readable.unref?.();
    this.#writable.unref?.();
  }

  get destroyed(): boolean {
    return this.#destroyed || (this.#readable.destroyed && !this.#ended);
  }

  get errored(): Error | null {
    return this.#readable.errored ?? this.#writable.errored ?? null;
  }

  get readableEnded(): boolean {
    return this.#readable.readableEnded;
  }

  get readableObjectMode(): boolean {
    return this.#readable.readableObjectMode;
  }

  get readableEncoding(): string | null {
    return this.#readable.readableEncoding;
  }

  get writableLength(): number {
    return this.#writable.writableLength;
  }

  get writableEnded(): boolean {
    return this.#writable.writableEnded;
  }

  get writableFinished(): boolean {
    return this.#writable.writableFinished;
  }

  /** A writable that closed early does not count before the end of the readable. */
  #isOver(): boolean {
    return (this.#ended || this.#readable.destroyed) && this.#writable.destroyed;
  }
}
