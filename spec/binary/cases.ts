import fc from 'fast-check';

export type Value = number | bigint | boolean | Uint8Array;

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** Calls a method by its name, as a table of cases needs it. */
export function call(target: object, method: string, ...args: unknown[]): unknown {
  const found = (target as Methods)[method];
  if (typeof found !== 'function') throw new Error(`there is no method ${method}`);
  return found.apply(target, args);
}

export interface Case {
  /** The part of the method names after `read` and `write`. */
  readonly name: string;
  readonly size: number;
  readonly values: fc.Arbitrary<Value>;
  /** Values one step outside of the range. */
  readonly outside: readonly unknown[];
}

function integers(bits: number, signed: boolean, names: string[]): Case[] {
  const min = signed ? -(2 ** (bits - 1)) : 0;
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const values = fc.oneof(fc.constantFrom(min, max, 0, 1), fc.integer({ min, max }));
  return names.map((name) => ({
    name,
    size: bits / 8,
    values,
    outside: [min - 1, max + 1, 0.5, NaN, Infinity],
  }));
}

function bigs(signed: boolean, names: string[]): Case[] {
  const min = signed ? -(2n ** 63n) : 0n;
  const max = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  const values = fc.oneof(fc.constantFrom(min, max, 0n, 1n), fc.bigInt({ min, max }));
  return names.map((name) => ({
    name,
    size: 8,
    values,
    outside: [min - 1n, max + 1n, 0.5, NaN, 2 ** 53, 10n ** 100n],
  }));
}

export const cases: readonly Case[] = [
  ...integers(8, true, ['Byte', 'Int8']),
  ...integers(8, false, ['Ubyte', 'Uint8']),
  ...integers(16, true, ['Short', 'Int16']),
  ...integers(16, false, ['Ushort', 'Uint16']),
  ...integers(24, true, ['Int24']),
  ...integers(24, false, ['Uint24']),
  ...integers(32, true, ['Int', 'Long', 'Int32']),
  ...integers(32, false, ['Uint', 'Ulong', 'Uint32']),
  ...bigs(true, ['Longlong', 'Int64']),
  ...bigs(false, ['Ulonglong', 'Uint64']),
  { name: 'Float', size: 4, values: fc.float(), outside: [3.5e38, -3.5e38] },
  { name: 'Double', size: 8, values: fc.double(), outside: [] },
  { name: 'Bool', size: 1, values: fc.boolean(), outside: [] },
  {
    name: 'Char',
    size: 1,
    values: fc.uint8Array({ minLength: 1, maxLength: 1 }),
    outside: ['', 'ab', '\u0100', new Uint8Array(0), new Uint8Array(2)],
  },
];

/** The value that an attempt throws. Fails if it throws nothing. */
export function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
