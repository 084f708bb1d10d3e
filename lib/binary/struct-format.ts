import { kindOf } from '../util/bytes.js';
import * as kinds from './kinds.js';

/** A value of a struct. `docs/binary.md` lists the type for each letter. */
export type StructValue = number | bigint | boolean | string | Uint8Array;

/** Adjacent values of one kind. */
interface Field {
  readonly letter: string;
  /** Undefined for x, s and p, whose count is a length in bytes. */
  readonly kind: kinds.Kind<StructValue> | undefined;
  readonly count: number;
}

/** A parsed format. */
export interface StructLayout {
  readonly format: string;
  /** In bytes. */
  readonly size: number;
  /** Number of values. */
  readonly count: number;
  readonly fields: readonly Field[];
}

const letters: ReadonlyMap<string, kinds.Kind<StructValue>> = new Map(
  Object.entries({
    c: widen(kinds.char),
    '?': widen(kinds.bool),
    b: widen(kinds.byte),
    B: widen(kinds.ubyte),
    h: widen(kinds.short),
    H: widen(kinds.ushort),
    i: widen(kinds.int),
    I: widen(kinds.uint),
    l: widen(kinds.int),
    L: widen(kinds.uint),
    q: widen(kinds.longlong),
    Q: widen(kinds.ulonglong),
    e: widen(kinds.half),
    f: widen(kinds.float),
    d: widen(kinds.double),
  }),
);
const lengths = 'xsp';
const token = /\s*([0-9]*)([^0-9\s])/y;

/** Hides the value type of a kind. `set` checks the value at run time instead. */
function widen<T extends StructValue>(kind: kinds.Kind<T>): kinds.Kind<StructValue> {
  return {
    ...kind,
    set: (view, at, value) => {
      kind.set(view, at, kind.check(value));
    },
  };
}

// A cache, because most programs use a few formats often. It is limited, because some programs
// generate formats.
const known = new Map<string, StructLayout>();
const knownLimit = 128;

export function structLayout(format: string): StructLayout {
  const found = known.get(format);
  if (found !== undefined) return found;
  if (typeof format !== 'string')
    throw new TypeError(`a struct format must be a string, not ${kindOf(format)}`);
  const layout = parse(format);
  if (known.size >= knownLimit) known.clear();
  known.set(format, layout);
  return layout;
}

function parse(format: string): StructLayout {
  const fields: Field[] = [];
  let size = 0;
  let values = 0;
  let at = 0;
  const end = format.trimEnd().length;
  while (at < end) {
    token.lastIndex = at;
    const [text = '', digits = '', letter = ''] = token.exec(format) ?? [];
    if (text === '') {
      throw new RangeError(`the struct format '${format}' has a count without a letter at index ${at}`);
    }
    at += text.length;
    const kind = letters.get(letter);
    if (kind === undefined && !lengths.includes(letter)) {
      const all = [...letters.keys()].join('') + lengths;
      throw new RangeError(`the struct format '${format}' has the letter '${letter}'; it takes ${all}`);
    }
    const count = digits === '' ? 1 : Number(digits);
    size += count * (kind?.size ?? 1);
    if (!Number.isSafeInteger(size)) throw new RangeError(`the struct format '${format}' is too large`);
    fields.push({ letter, kind, count });
    if (letter !== 'x') values += kind === undefined ? 1 : count;
  }
  return { format, size, count: values, fields };
}

/** The values at an offset. The caller checks that `layout.size` bytes are there. */
export function unpack(layout: StructLayout, bytes: Uint8Array, view: DataView, from: number): StructValue[] {
  const values: StructValue[] = [];
  let at = from;
  for (const { letter, kind, count } of layout.fields) {
    if (kind !== undefined) {
      for (let index = 0; index < count; index += 1, at += kind.size) values.push(kind.get(view, at));
      continue;
    }
    const field = bytes.subarray(at, at + count);
    if (letter === 's') values.push(field);
    // The first byte is the length. `subarray` limits it to the field.
    if (letter === 'p') values.push(field.subarray(1, 1 + (field[0] ?? 0)));
    at += count;
  }
  return values;
}

/** Rejects wrong values before `pack` writes the first one. */
export function checkStruct(layout: StructLayout, values: readonly unknown[]): void {
  if (values.length !== layout.count) {
    throw new TypeError(
      `the struct format '${layout.format}' takes ${layout.count} values, not ${values.length}`,
    );
  }
  let next = 0;
  for (const { letter, kind, count } of layout.fields) {
    if (kind !== undefined) for (let index = 0; index < count; index += 1) kind.check(values[next++]);
    else if (letter !== 'x') stringValue(letter, values[next++]);
  }
}

function stringValue(letter: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`the value of the struct letter ${letter} must be a Uint8Array, not ${kindOf(value)}`);
}

/** Writes values that `checkStruct` accepted. The caller reserves the bytes. */
export function pack(
  layout: StructLayout,
  values: readonly StructValue[],
  bytes: Uint8Array,
  view: DataView,
  from: number,
): void {
  let at = from;
  let next = 0;
  for (const { letter, kind, count } of layout.fields) {
    if (kind !== undefined) {
      for (let index = 0; index < count; index += 1, at += kind.size) kind.set(view, at, values[next++] ?? 0);
      continue;
    }
    if (letter === 'x') bytes.fill(0, at, at + count);
    else packString(letter, stringValue(letter, values[next++]), bytes.subarray(at, at + count));
    at += count;
  }
}

function packString(letter: string, value: Uint8Array, field: Uint8Array): void {
  const head = letter === 'p' && field.length > 0 ? 1 : 0;
  const length = Math.min(value.length, field.length - head, head === 1 ? 0xff : Infinity);
  // Copied before the rest is filled, because the value may be a view of the field itself.
  field.set(value.subarray(0, length), head);
  field.fill(0, head + length);
  if (head === 1) field[0] = length;
}
