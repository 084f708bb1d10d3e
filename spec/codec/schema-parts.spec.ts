import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { BinaryReader } from '../../lib/binary/reader.js';
import { DecodeError, MalformedError } from '../../lib/errors.js';
import type { Codec, StandardSchema } from '../../lib/codec/codec.js';
import * as codec from '../../lib/codec/combinators.js';
import { queuePair } from './memory-queue.js';
import { parts, Refused, schema, slowSchema } from './schemas.js';

const date = schema<string, Date>((value) => {
  if (typeof value === 'string') return new Date(value);
  throw new Refused({ message: `no text: ${JSON.stringify(value)}` });
});
const names = schema<{ readonly names: readonly string[] }>((value) => {
  const { names: list } = parts(value);
  if (!Array.isArray(list)) throw new Refused({ message: 'no list', path: ['names'] });
  const bad = list.findIndex((name) => typeof name !== 'string');
  if (bad !== -1) throw new Refused({ message: 'no name', path: ['names', { key: bad }] });
  return { names: list as string[] };
});
const anything: StandardSchema = schema((value) => value);

/** A codec that contains a part, how it contains a value of the part, and the path of the part. */
interface Around {
  readonly name: string;
  readonly of: (part: StandardSchema | Codec<unknown>) => Codec<unknown>;
  readonly wrap: (value: unknown) => unknown;
  readonly path: string;
}

const itself = (value: unknown): unknown => value;
const arounds: readonly Around[] = [
  {
    name: 'an array',
    of: (part) => codec.array(part as StandardSchema) as Codec<unknown>,
    wrap: (value) => [value],
    path: '[0]',
  },
  {
    name: 'a tuple',
    of: (part) => codec.tuple([part]) as Codec<unknown>,
    wrap: (value) => [value],
    path: '[0]',
  },
  {
    name: 'a map',
    of: (part) => codec.map(codec.bool, part as StandardSchema) as Codec<unknown>,
    wrap: (value) => new Map([[true, value]]),
    path: '[0]',
  },
  {
    name: 'a record',
    of: (part) => codec.record(part as StandardSchema) as Codec<unknown>,
    wrap: (value) => ({ key: value }),
    path: '[0]',
  },
  {
    name: 'a struct',
    of: (part) => codec.struct({ a: part }),
    wrap: (value) => ({ a: value }),
    path: 'a',
  },
  {
    name: 'a union',
    of: (part) => codec.union('type', { one: { a: part } }) as Codec<unknown>,
    wrap: (value) => ({ type: 'one', a: value }),
    path: 'a',
  },
  { name: 'optional', of: (part) => codec.optional(part as StandardSchema), wrap: itself, path: '' },
  { name: 'nullable', of: (part) => codec.nullable(part as StandardSchema), wrap: itself, path: '' },
  { name: 'lazy', of: (part) => codec.lazy(() => part as StandardSchema), wrap: itself, path: '' },
];

/** The error for a value that does not decode. */
function refusal({ of, wrap }: Around, part: StandardSchema, value: unknown): DecodeError {
  return failure(of(part), codec.encode(of(anything), wrap(value)));
}

function failure(of: Codec<never, unknown>, bytes: Uint8Array): DecodeError {
  const error = thrownBy(() => codec.decode(of, bytes));
  if (error instanceof DecodeError) return error;
  throw error;
}

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not throw');
}

const [array] = arounds as [Around];

describe('a schema as a part', () => {
  it.each(arounds)('of $name has the bytes of codec.json', ({ of, wrap }) => {
    const value = wrap({ a: [1, 'é'] });
    const encoded = codec.encode(of(anything), value);
    expect(encoded).toEqual(codec.encode(of(codec.json as Codec<unknown>), value));
    expect(of(anything).minSize).toBe(of(codec.json as Codec<unknown>).minSize);
  });

  it.each(arounds)('of $name sends its input and receives its output', ({ of, wrap }) => {
    const encoded = codec.encode(of(date), wrap('2020-02-02'));
    expect(codec.decode(of(date), encoded)).toEqual(wrap(new Date('2020-02-02')));
  });

  it.each(arounds)('of $name receives any JSON value that is sent', ({ of, wrap }) => {
    const values = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(of(anything), codec.encode(of(anything), wrap(value)))).toEqual(wrap(value));
      }),
      { numRuns: 50, seed: 21 },
    );
  });

  it('mixes with bytes in a message of a typed queue', async () => {
    const messages = {
      photo: codec.struct({
        title: z.object({ text: z.string().min(1), at: z.iso.datetime().transform((at) => new Date(at)) }),
        data: codec.bytes,
      }),
    };
    const [left, right] = queuePair();
    const received: unknown[] = [];
    right.typed(messages).registerCallback('photo', ({ title, data }) => {
      received.push(title.text, title.at.getTime(), data);
    });
    const from = left.typed(messages);
    const data = Uint8Array.of(1, 2);
    await from.sendRegistered('photo', { title: { text: 'a', at: '1970-01-01T00:00:01Z' }, data });
    expect(received).toEqual(['a', 1000, data]);
    await from.sendRegistered('photo', { title: { text: '', at: '1970-01-01T00:00:01Z' }, data });
    const [error] = right.errors as [DecodeError];
    expect([error.messageName, error.path, error.offset]).toEqual(['photo', 'title.text', 4]);
    expect(error.issues).toHaveLength(1);
    expect(received).toHaveLength(3);
  });

  it('may be a function', () => {
    const of = codec.array(Object.assign(() => undefined, date));
    expect(codec.decode(of, codec.encode(of, ['2020-02-02']))).toEqual([new Date('2020-02-02')]);
  });

  it('stays a schema in the fields of a struct', () => {
    expect(codec.struct({ date }).fields.date).toBe(date);
  });

  it('does not check sent values, which need a JSON form only', () => {
    const of = codec.struct({ at: date });
    expect(codec.encode(of, { at: 7 as never }).subarray(4)).toEqual(Uint8Array.of(0x37));
    expect(() => codec.encode(of, { at: undefined as never })).toThrow(
      new TypeError('the value, at: JSON cannot represent undefined'),
    );
  });
});

describe('a part that its schema rejects', () => {
  it.each(arounds)('of $name has its path before that of the first issue', (around) => {
    const { path } = around;
    const error = refusal(around, names, { names: ['a', 1] });
    expect(error.path).toBe(path === '' ? 'names[1]' : `${path}.names[1]`);
    expect(error.issues).toEqual([{ message: 'no name', path: ['names', { key: 1 }] }]);
    expect(error.cause).toBeUndefined();
    const why = path === '' ? 'the schema rejects it' : `the schema of ${path} rejects it`;
    expect(error.message).toBe(`the payload does not decode at offset ${error.offset}: ${why}`);
    expect(refusal(around, date, 7).path).toBe(path);
  });

  it('is named by the steps of all codecs around it, at the start of its text', () => {
    const make = (part: StandardSchema): Codec<unknown> =>
      codec.struct({ items: codec.array(codec.struct({ 'a b': codec.optional(part) })) });
    const encoded = codec.encode(make(anything), { items: [{}, { 'a b': { names: 1 } }] });
    const error = failure(make(names), encoded);
    expect(error.path).toBe('items[1]["a b"].names');
    expect(error.message).toMatch(/: the schema of items\[1\]\["a b"\] rejects it$/);
    expect(error.offset).toBe(4 + 1 + 1 + 4);
  });

  it('has a path of bounded length, whatever keys the peer sends', () => {
    const of = schema((value) => {
      throw new Refused({ message: 'no', path: Object.keys(parts(value)) });
    });
    const { path, message } = refusal(array, of, { ['k'.repeat(10_000)]: 1 });
    expect(path).toBe(`[0].${'k'.repeat(256)}`);
    expect(message).not.toContain('kk');
  });

  it('does not appear in the printed error', () => {
    const error = refusal(array, date, { topsecret: 1 });
    expect(error.issues[0]?.message).toContain('topsecret');
    expect(inspect(error)).not.toContain('topsecret');
    const bytes = codec.encode(codec.array(anything), [{ topsecret: 1 }]);
    const raw = thrownBy(() => codec.array(date).decode(new BinaryReader(bytes)));
    expect(inspect(raw)).not.toContain('topsecret');
  });

  it('fails with the cause that the schema throws', () => {
    const mine = new Error('mine');
    const of = schema(() => {
      throw mine;
    });
    const error = refusal(array, of, 1);
    expect([error.cause, error.path, error.offset]).toEqual([mine, '[0]', 8]);
    expect(error.message).toMatch(/\(\[0\]\): decoding it threw Error$/);
    const none = { '~standard': { version: 1, vendor: 'test', validate: () => 7 } } as never;
    expect(refusal(array, none, 1).cause).toEqual(new TypeError('the schema returned number, not a result'));
  });

  it('does not decode if its JSON is wrong, without a call of the schema', () => {
    let calls = 0;
    const of = codec.tuple([
      schema(() => {
        calls += 1;
      }),
    ]);
    const deep = new TextEncoder().encode('['.repeat(65) + ']'.repeat(65));
    for (const text of [new Uint8Array(), Uint8Array.of(0x22, 0xff, 0x22), Uint8Array.of(0x7b), deep]) {
      const error = failure(of, codec.encode(codec.bytes, text));
      expect(error.cause).toBeInstanceOf(MalformedError);
      expect([error.path, error.offset, error.issues]).toEqual(['[0]', 4, []]);
    }
    expect(calls).toBe(0);
  });
});

describe('an asynchronous schema as a part', () => {
  const why = 'the schema returned a promise: an async schema must describe a whole payload, not a part';

  it.each(arounds)('of $name fails to decode, with an error that says why', (around) => {
    const error = refusal(around, slowSchema(itself), 1);
    expect([error.path, error.issues]).toEqual([around.path, []]);
    expect(error.message.endsWith(`: ${why}`)).toBe(true);
  });

  it('causes no unhandled rejection if its promise rejects', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const validate = (): Promise<never> => Promise.reject(new Error('mine'));
      const of = { '~standard': { version: 1, vendor: 'test', validate } } as StandardSchema;
      expect(refusal(array, of, 1).message).toContain(why);
      // Node reports unhandled rejections after the microtasks of a turn.
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});
