import { headerLength } from '../../lib/transport/framing/encoder.js';
import { writeU32 } from '../../lib/util/bytes.js';
import { readU32 } from '../../lib/util/bytes.js';
import type { Sink, Transport } from '../../lib/transport/transport.js';

/**
 * Adds a length prefix to every write and removes it from received data. A session needs it,
 * because a direction of a session may end only between messages, but the transport suite writes
 * bytes.
 */
export class FramedTransport implements Transport {
  readonly #inner: Transport;
  #header: number[] = [];
  #left = 0;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }

  get localAddress(): string {
    return this.#inner.localAddress;
  }

  attach(sink: Sink, surplus?: Uint8Array): void {
    this.#inner.attach(
      {
        data: (chunk) => {
          if (chunk === surplus) return sink.data(chunk);
          const content = this.#contentOf(chunk);
          return content.length === 0 || sink.data(content);
        },
        drain: () => {
          sink.drain();
        },
        end: () => {
          sink.end();
        },
        close: (cause) => {
          sink.close(cause);
        },
      },
      surplus,
    );
  }

  resume(): void {
    this.#inner.resume();
  }

  write(parts: readonly Uint8Array[], done?: () => void): boolean {
    const header = new Uint8Array(headerLength);
    writeU32(
      header,
      0,
      parts.reduce((sum, part) => sum + part.length, 0),
    );
    return this.#inner.write([header, ...parts], done);
  }

  end(): void {
    this.#inner.end();
  }

  abort(cause?: Parameters<Transport['abort']>[0]): void {
    this.#inner.abort(cause);
  }

  ref(): void {
    this.#inner.ref();
  }

  unref(): void {
    this.#inner.unref();
  }

  #contentOf(chunk: Uint8Array): Uint8Array {
    const content = new Uint8Array(chunk.length);
    let length = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        this.#header.push(chunk[at]!);
        at += 1;
        if (this.#header.length < headerLength) continue;
        this.#left = readU32(Uint8Array.from(this.#header), 0);
        this.#header = [];
      } else {
        const end = Math.min(at + this.#left, chunk.length);
        content.set(chunk.subarray(at, end), length);
        length += end - at;
        this.#left -= end - at;
        at = end;
      }
    }
    return content.subarray(0, length);
  }
}
