import type { K4netError } from '../../lib/errors.js';
import type { Sink } from '../../lib/transport/transport.js';
import { concat } from './random.js';

/** A sink that records its events, and on which a test can wait for them. */
export class RecordingSink implements Sink {
  /** The events in order, without drains. Consecutive `data` events are one entry. */
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  received = 0;
  drains = 0;
  ends = 0;
  closes = 0;
  cause: K4netError | undefined;
  /** Called with each chunk. Its result is the result of `data()`. */
  onData: (chunk: Uint8Array) => boolean = () => true;
  /** Called after each event. */
  onEvent: () => void = () => undefined;
  readonly #waiting = new Set<() => void>();

  data(chunk: Uint8Array): boolean {
    this.chunks.push(chunk);
    this.received += chunk.length;
    const more = this.onData(chunk);
    this.#record('data');
    return more;
  }

  drain(): void {
    this.drains += 1;
    this.#record('drain');
  }

  end(): void {
    this.ends += 1;
    this.#record('end');
  }

  close(cause?: K4netError): void {
    this.closes += 1;
    this.cause = cause;
    this.#record('close');
  }

  get bytes(): Uint8Array {
    return concat(this.chunks);
  }

  /** Waits for a condition, which it checks after each event. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  untilReceived(length: number): Promise<void> {
    return this.until(() => this.received >= length);
  }

  untilEnd(): Promise<void> {
    return this.until(() => this.ends > 0);
  }

  untilClose(): Promise<void> {
    return this.until(() => this.closes > 0);
  }

  #record(event: string): void {
    if (event !== 'drain' && (event !== 'data' || this.events.at(-1) !== event)) this.events.push(event);
    this.onEvent();
    for (const check of [...this.#waiting]) check();
  }
}

/** Waits for turns of the event loop. It can show that nothing happens, not that something has. */
export async function turns(count: number = 1): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
