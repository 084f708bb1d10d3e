/** A seeded generator of numbers (mulberry32): a failing run can be run again as it was. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A number from 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 1) bytes[i] = this.below(256);
    return bytes;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** The same bytes wherever it is asked for: byte `i` depends on `i` and the seed only. */
export function pattern(length: number, seed: number = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >>> 8) * 17 + seed * 101) & 0xff;
  return bytes;
}

/** Cuts bytes into parts of random lengths, empty ones among them. */
export function split(bytes: Uint8Array, random: Random, most: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + random.below(most + 1));
    parts.push(bytes.subarray(at, next));
    at = next;
  }
  return parts;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Whether two byte strings are equal, without a printed difference of megabytes. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

/** Whether two lists hold the same messages in the same order. */
export function sameAll(ones: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return ones.length === others.length && ones.every((one, i) => same(one, others[i] as Uint8Array));
}
