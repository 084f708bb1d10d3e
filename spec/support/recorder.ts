import type { K4netError } from '../../lib/errors.js';
import type { Sink } from '../../lib/transport/transport.js';
import { concat } from './random.js';

/** A sink that writes down what it is told, and lets a test wait for it. */
export class RecordingSink implements Sink {
  /** What happened, in order, but for drains; a run of `data` is one entry. */
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  received = 0;
  drains = 0;
  ends = 0;
  closes = 0;
  cause: K4netError | undefined;
  /** Called with each chunk; what it returns is what the transport is told. */
  onData: (chunk: Uint8Array) => boolean = () => true;
  /** Called after anything was told. */
  onEvent: () => void = () => undefined;
  readonly #waiting = new Set<() => void>();

  data(chunk: Uint8Array): boolean {
    this.chunks.push(chunk);
    this.received += chunk.length;
    const more = this.onData(chunk);
    this.#tell('data');
    return more;
  }

  drain(): void {
    this.drains += 1;
    this.#tell('drain');
  }

  end(): void {
    this.ends += 1;
    this.#tell('end');
  }

  close(cause?: K4netError): void {
    this.closes += 1;
    this.cause = cause;
    this.#tell('close');
  }

  get bytes(): Uint8Array {
    return concat(this.chunks);
  }

  /** Waits until something is so; looked at whenever anything was told. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
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

  #tell(event: string): void {
    if (event !== 'drain' && (event !== 'data' || this.events.at(-1) !== event)) this.events.push(event);
    this.onEvent();
    for (const look of [...this.#waiting]) look();
  }
}

/** The next turn of the event loop, and so many more: for "nothing happens", never for "by now it has happened". */
export async function turns(count: number = 1): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
