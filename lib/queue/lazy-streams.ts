import { K4netError } from '../errors.js';
import type { Bytes } from '../util/bytes.js';
import { markHandled } from '../util/wait.js';
import type { AnswerStream } from './call-types.js';
import { laterStream } from './later-stream.js';
import type { AcceptedStream, CreateStreams, StreamHost, StreamRequest } from './stream-host.js';
import type { OpenFields } from './stream-open.js';
import type * as node from './streams/streams.js';

// The form of `#streams` for browsers. The code of streaming calls is in a chunk of its own, so
// that a page without them does not load it.

export const createStreams: CreateStreams = (...parts) => new LazyStreams(parts);

/** Loads the code of streaming calls with the first one, of either side. */
class LazyStreams implements StreamHost {
  readonly #parts: Parameters<CreateStreams>;
  #loading: Promise<StreamHost> | undefined;
  #loaded: StreamHost | undefined;
  #ended = false;

  constructor(parts: Parameters<CreateStreams>) {
    this.#parts = parts;
  }

  get full(): boolean {
    return !this.#loaded;
  }

  get open(): number {
    return this.#loaded?.open ?? 0;
  }

  get itemsSent(): number {
    return this.#loaded?.itemsSent ?? 0;
  }

  get itemsReceived(): number {
    return this.#loaded?.itemsReceived ?? 0;
  }

  load(): void {
    const events = this.#parts[4];
    this.#load().then(
      () => {
        events.onRoom();
      },
      (error: unknown) => {
        events.onFail(error as K4netError);
      },
    );
  }

  call(request: StreamRequest, payload: Bytes): AnswerStream<unknown, unknown> {
    if (this.#loaded) return this.#loaded.call(request, payload);
    // The caller may reuse the payload.
    const kept = new Uint8Array(payload);
    const made = markHandled(this.#load().then((streams) => streams.call(request, kept)));
    return laterStream(made);
  }

  has(id: number): boolean {
    return this.#code.has(id);
  }

  accept(id: number, fields: OpenFields): AcceptedStream {
    return this.#code.accept(id, fields);
  }

  receive(type: number, id: number, content: Bytes): string | undefined {
    return this.#code.receive(type, id, content);
  }

  cancelled(id: number): void {
    this.#loaded?.cancelled(id);
  }

  end(): void {
    this.#ended = true;
    this.#loaded?.end();
  }

  get #code(): StreamHost {
    if (this.#loaded) return this.#loaded;
    throw new K4netError('K4NET_INTERNAL', 'a stream has a message before its code is loaded');
  }

  #load(): Promise<StreamHost> {
    this.#loading ??= loadCode().then((code) => {
      this.#loaded = code.createStreams(...this.#parts);
      if (this.#ended) this.#loaded.end();
      return this.#loaded;
    });
    return this.#loading;
  }
}

async function loadCode(): Promise<typeof node> {
  try {
    return await import('./streams/streams.js');
  } catch (cause) {
    throw new K4netError('K4NET_CONNECTION', 'the code of streaming calls could not be loaded', { cause });
  }
}
