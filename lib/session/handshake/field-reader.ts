import { type Bytes, readU16 } from '../../util/bytes.js';
import { K4netError } from '../../errors.js';

/** Reads the fields of a handshake body in their order. Every read past the end is a malformed message. */
export class FieldReader {
  readonly #bytes: Bytes;
  readonly #what: string;
  #offset: number;

  constructor(bytes: Bytes, offset: number, what: string) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return readU16(this.take(2), 0);
  }

  take(length: number): Bytes {
    if (length > this.left) {
      throw new K4netError('K4NET_MALFORMED', `${this.#what} is cut short`);
    }
    const taken = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return taken;
  }

  end(): void {
    if (this.left > 0) {
      throw new K4netError('K4NET_MALFORMED', `${this.#what} has ${this.left} bytes too many`);
    }
  }
}
