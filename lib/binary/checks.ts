import { kindOf } from '../util/bytes.js';

/** The most bytes that a writer or an editor holds: the longest message that the wire can carry. */
export const maxLength: number = 0xffff_ffff;

/** A value as an error message shows it: whole, unless somebody passed a number of a million digits. */
export function show(value: number | bigint): string {
  const text = String(value);
  return text.length <= 40 ? text : `${text.slice(0, 40)}...`;
}

/** A count of elements or bytes. */
export function checkCount(what: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${what} is a number, not ${kindOf(value)}`);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`${what} is a whole number from 0 up, not ${value}`);
}

/** The values of an array method: an array or a typed array, so that a string is not taken for its letters. */
export function checkArray<T>(what: string, values: ArrayLike<T>): ArrayLike<T> {
  const given: unknown = values;
  if (Array.isArray(given) || (ArrayBuffer.isView(given) && !(given instanceof DataView))) return values;
  throw new TypeError(`${what} is an array, not ${kindOf(given)}`);
}

/** The bytes that a reader, a writer or an editor begins with, without Node's `Buffer`, whose `slice` does not copy. */
export function plainBytes(what: string, data: unknown): Uint8Array {
  if (data instanceof Uint8Array && data.constructor === Uint8Array) return data;
  if (data instanceof Uint8Array) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new TypeError(`${what} takes a Uint8Array or an ArrayBuffer, not ${kindOf(data)}`);
}
