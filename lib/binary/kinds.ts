import { kindOf } from '../util/bytes.js';
import { show } from './cursor.js';

/** A kind of value of fixed size: its encoding and the values that it accepts. */
export interface Kind<T> {
  /** Its name in error messages. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** The value for `set`. Throws a TypeError or a RangeError for a value that it rejects. */
  readonly check: (value: unknown) => T;
  readonly get: (view: DataView, at: number) => T;
  readonly set: (view: DataView, at: number, value: T) => void;
}

type Get<T> = Kind<T>['get'];
type Set<T> = Kind<T>['set'];

function integer(
  name: string,
  size: number,
  min: number,
  max: number,
  get: Get<number>,
  set: Set<number>,
): Kind<number> {
  const check = (value: unknown): number => {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${kindOf(value)}`);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${show(value)}`);
  };
  return { name, size, check, get, set };
}

function bigInteger(
  name: string,
  min: bigint,
  max: bigint,
  get: Get<bigint>,
  set: Set<bigint>,
): Kind<bigint> {
  const check = (value: unknown): bigint => {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) {
        throw new RangeError(`${name} must be a bigint or a safe whole number, not ${show(value)}`);
      }
    } else if (typeof value !== 'bigint') {
      throw new TypeError(`${name} must be a bigint or a number, not ${kindOf(value)}`);
    }
    const big = BigInt(value);
    if (big >= min && big <= max) return big;
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${show(value)}`);
  };
  return { name, size: 8, check, get, set };
}

function real(
  name: string,
  size: number,
  overflows: (value: number) => boolean,
  limit: string,
  get: Get<number>,
  set: Set<number>,
): Kind<number> {
  const check = (value: unknown): number => {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${kindOf(value)}`);
    if (!Number.isFinite(value) || !overflows(value)) return value;
    throw new RangeError(`${name} must be a number from -${limit} to ${limit}, not ${show(value)}`);
  };
  return { name, size, check, get, set };
}

export const byte: Kind<number> = integer(
  'a byte',
  1,
  -0x80,
  0x7f,
  (view, at) => view.getInt8(at),
  (view, at, value) => {
    view.setInt8(at, value);
  },
);

export const ubyte: Kind<number> = integer(
  'a ubyte',
  1,
  0,
  0xff,
  (view, at) => view.getUint8(at),
  (view, at, value) => {
    view.setUint8(at, value);
  },
);

export const short: Kind<number> = integer(
  'a short',
  2,
  -0x8000,
  0x7fff,
  (view, at) => view.getInt16(at, true),
  (view, at, value) => {
    view.setInt16(at, value, true);
  },
);

export const ushort: Kind<number> = integer(
  'a ushort',
  2,
  0,
  0xffff,
  (view, at) => view.getUint16(at, true),
  (view, at, value) => {
    view.setUint16(at, value, true);
  },
);

export const int24: Kind<number> = integer(
  'an int24',
  3,
  -0x80_0000,
  0x7f_ffff,
  (view, at) => view.getUint16(at, true) | (view.getInt8(at + 2) << 16),
  (view, at, value) => {
    view.setUint16(at, value, true);
    view.setUint8(at + 2, value >> 16);
  },
);

export const uint24: Kind<number> = integer(
  'a uint24',
  3,
  0,
  0xff_ffff,
  (view, at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16),
  (view, at, value) => {
    view.setUint16(at, value, true);
    view.setUint8(at + 2, value >> 16);
  },
);

export const int: Kind<number> = integer(
  'an int',
  4,
  -0x8000_0000,
  0x7fff_ffff,
  (view, at) => view.getInt32(at, true),
  (view, at, value) => {
    view.setInt32(at, value, true);
  },
);

export const uint: Kind<number> = integer(
  'a uint',
  4,
  0,
  0xffff_ffff,
  (view, at) => view.getUint32(at, true),
  (view, at, value) => {
    view.setUint32(at, value, true);
  },
);

export const longlong: Kind<bigint> = bigInteger(
  'a longlong',
  -0x8000_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  (view, at) => view.getBigInt64(at, true),
  (view, at, value) => {
    view.setBigInt64(at, value, true);
  },
);

export const ulonglong: Kind<bigint> = bigInteger(
  'a ulonglong',
  0n,
  0xffff_ffff_ffff_ffffn,
  (view, at) => view.getBigUint64(at, true),
  (view, at, value) => {
    view.setBigUint64(at, value, true);
  },
);

export const half: Kind<number> = real(
  'a half float',
  2,
  (value) => Math.abs(value) >= halfOverflow,
  '65504',
  (view, at) => fromHalf(view.getUint16(at, true)),
  (view, at, value) => {
    view.setUint16(at, toHalf(value), true);
  },
);

export const float: Kind<number> = real(
  'a float',
  4,
  (value) => !Number.isFinite(Math.fround(value)),
  '3.4028234663852886e+38',
  (view, at) => view.getFloat32(at, true),
  (view, at, value) => {
    view.setFloat32(at, value, true);
  },
);

export const double: Kind<number> = real(
  'a double',
  8,
  () => false,
  '1.7976931348623157e+308',
  (view, at) => view.getFloat64(at, true),
  (view, at, value) => {
    view.setFloat64(at, value, true);
  },
);

export const bool: Kind<boolean> = {
  name: 'a bool',
  size: 1,
  check: (value) => {
    if (typeof value === 'boolean') return value;
    throw new TypeError(`a bool must be a boolean, not ${kindOf(value)}`);
  },
  get: (view, at) => view.getUint8(at) !== 0,
  set: (view, at, value) => {
    view.setUint8(at, value ? 1 : 0);
  },
};

export const char: Kind<Uint8Array> = {
  name: 'a char',
  size: 1,
  check: (value) => {
    if (value instanceof Uint8Array) {
      if (value.length === 1) return value;
      throw new RangeError(`a char must be one byte, not ${value.length} bytes`);
    }
    if (typeof value !== 'string') {
      throw new TypeError(`a char must be a Uint8Array or a string, not ${kindOf(value)}`);
    }
    if (value.length !== 1) throw new RangeError(`a char must be one character, not ${value.length}`);
    const code = value.charCodeAt(0);
    if (code <= 0xff) return Uint8Array.of(code);
    throw new RangeError(
      `a char must be a character from U+0000 to U+00FF, not U+${code.toString(16).toUpperCase()}`,
    );
  },
  get: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, 1),
  set: (view, at, value) => {
    view.setUint8(at, value[0] ?? 0);
  },
};

/** Smallest magnitude that rounds to infinity as a half float. */
const halfOverflow = 65520;

/** A number from the 16 bits of an IEEE 754 half-precision float. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * The nearest half float as 16 bits; ties round to even. The caller rejects values that overflow.
 */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  let exponent = Math.floor(Math.log2(magnitude));
  // Math.log2 rounds: for a number just below a power of two, it may return the next exponent.
  if (2 ** exponent > magnitude) exponent -= 1;
  // Addition instead of `|`: a fraction that rounds up to 1024 must carry into the exponent.
  return sign | (((exponent + 15) << 10) + roundToEven(magnitude * 2 ** (10 - exponent)) - 1024);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
