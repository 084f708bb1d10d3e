import { K4netError } from '../errors.js';
import { nextTurn } from '../platform/runtime.js';
import type { DuplexLike } from '../transport/duplex-like.js';
import { toTransport } from '../transport/to-transport.js';
import type { Sink, Transport } from '../transport/transport.js';
import { noBytes, type Bytes } from '../util/bytes.js';
import { startTimer, type Timer } from '../util/wait.js';

/** Milliseconds that the exit of a child may come after the end of its pipe. */
const exitDelay = 1000;

/** A child process. Both codes are null while it runs. */
export interface RunningChild {
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  once(event: string, listener: () => void): unknown;
}

/**
 * The pipe to a child process as a transport. A pipe has no reset, so its end looks the same if the
 * child was killed. The exit of the child tells the difference: see `ExitSink`.
 */
export class ChildTransport implements Transport {
  readonly remoteAddress: string = '';
  readonly localAddress: string = '';
  readonly #pipe: Transport;
  readonly #sink: ExitSink;

  constructor(child: RunningChild, pipe: DuplexLike) {
    this.#pipe = toTransport(pipe);
    this.#sink = new ExitSink(child, pipe);
  }

  attach(sink: Sink, surplus?: Bytes): void {
    this.#sink.above = sink;
    this.#pipe.attach(this.#sink, surplus);
  }

  resume(): void {
    this.#pipe.resume();
  }

  write(parts: readonly Bytes[], done?: () => void): boolean {
    return this.#pipe.write(parts, done);
  }

  end(): void {
    this.#pipe.end();
  }

  abort(cause?: K4netError): void {
    this.#pipe.abort(cause);
    this.#sink.abort();
  }

  ref(): void {
    this.#pipe.ref();
    this.#sink.keepAlive(true);
  }

  unref(): void {
    this.#pipe.unref();
    this.#sink.keepAlive(false);
  }
}

/**
 * Delays the end of the pipe until the child has exited, and makes it a failure if the child has
 * failed. The end is not delayed if the child has ended its own direction only, or if this side has
 * ended before.
 */
class ExitSink implements Sink {
  above: Sink | undefined;
  readonly #child: RunningChild;
  readonly #pipe: DuplexLike;
  /** Runs while an event waits for the exit. */
  #timer: Timer | undefined;
  #keepAlive = true;
  /** Nothing waits for the exit any more. */
  #decided = false;
  #failure: K4netError | undefined;
  /** The child has closed the pipe while this side had nothing to write. */
  #peerClosed = false;
  /** The end of the peer, which `above` does not have yet. */
  #ended = false;
  /** The close of the pipe, which `above` does not have yet. */
  #closed: { readonly cause: K4netError | undefined } | undefined;

  constructor(child: RunningChild, pipe: DuplexLike) {
    this.#child = child;
    this.#pipe = pipe;
    child.once('exit', () => {
      if (this.#timer) this.#decide();
    });
  }

  data(chunk: Bytes): boolean {
    return this.above?.data(chunk) ?? false;
  }

  drain(): void {
    this.above?.drain();
  }

  end(): void {
    const pipe = this.#pipe;
    this.#ended = true;
    // With writes under way, a closed pipe has failed before this event.
    if (pipe.writableEnded || pipe.writableLength > 0) {
      this.#deliver();
      return;
    }
    // An empty write fails if the child has closed the pipe. It succeeds after a half-close.
    pipe.write(noBytes, (error) => {
      if (this.#decided) return;
      this.#peerClosed = Boolean(error);
      if (error) this.#wait();
      else this.#deliver();
    });
  }

  close(cause?: K4netError): void {
    this.#closed = { cause };
    if (cause || this.#ended) this.#wait();
    else this.#deliver();
  }

  /** This side has cut the pipe. */
  abort(): void {
    this.#decided = true;
    this.#ended = false;
    this.#timer?.stop();
    if (this.#closed)
      nextTurn(() => {
        this.#deliver();
      });
  }

  keepAlive(alive: boolean): void {
    this.#keepAlive = alive;
    this.#timer?.keepAlive(alive);
  }

  #wait(): void {
    const decide = (): void => {
      this.#decide();
    };
    const { exitCode, signalCode } = this.#child;
    if (this.#decided || exitCode !== null || signalCode !== null) decide();
    else this.#timer ??= startTimer(decide, exitDelay, this.#keepAlive);
  }

  #decide(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    if (!this.#decided) {
      this.#decided = true;
      this.#failure = failureOf(this.#child);
      this.#ended &&= !this.#failure;
      if (this.#failure && !this.#pipe.destroyed) this.#pipe.destroy();
    }
    this.#deliver();
  }

  #deliver(): void {
    if (this.#ended) {
      this.#ended = false;
      this.above?.end();
    }
    if (!this.#closed) return;
    const { cause } = this.#closed;
    this.#closed = undefined;
    this.above?.close(this.#failure ?? (this.#peerClosed ? undefined : cause));
  }
}

/** The failure of a child that has exited with an error, or that did not start. */
function failureOf({ exitCode, signalCode }: RunningChild): K4netError | undefined {
  if (!exitCode && signalCode === null) return undefined;
  const how = signalCode === null ? `exited with code ${exitCode}` : `was ended by ${signalCode}`;
  const what = exitCode !== null && exitCode < 0 ? 'did not start' : how;
  return new K4netError('K4NET_CONNECTION', `the child process ${what}`);
}
