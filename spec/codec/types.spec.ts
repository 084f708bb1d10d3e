import * as v from 'valibot';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Codec, OptionalCodec, StandardSchema } from '../../lib/codec/codec.js';
import type { JsonValue } from '../../lib/codec/json.js';
import * as codec from '../../lib/codec/combinators.js';
import { type MemoryContext, queuePair } from './memory-queue.js';
import { schema, slowSchema } from './schemas.js';

const shape = codec.union('type', { circle: { r: codec.float64 }, dot: {} });
const profile = codec.struct({
  name: codec.string,
  age: codec.optional(codec.uint8),
  nick: codec.nullable(codec.string),
  role: codec.enumeration('admin', 'user'),
  tags: codec.array(codec.string),
  place: codec.tuple([codec.float32, codec.int64]),
});

interface Tree {
  value: number;
  children: Tree[];
}

const tree: Codec<Tree> = codec.struct({
  value: codec.int32,
  children: codec.array(codec.lazy(() => tree)),
});
// Somebody's own codec, which does not promise to leave the array alone.
const mutable: Codec<number[]> = codec.array(codec.int32);
const date: StandardSchema<string, Date> = schema((value) => new Date(String(value)));
const slow: StandardSchema<{ n: string }, { n: number }> = slowSchema(() => ({ n: 1 }));

const readOnlyScores: ReadonlyMap<string, number> = new Map([['a', 1]]);
const tags: StandardSchema<{ tags: string[] }> = schema(() => ({ tags: [] }));
const anything: StandardSchema = schema((value) => value);

const messages = {
  profile,
  shape,
  tree,
  ping: codec.nothing,
  maybe: codec.optional(codec.string),
  date,
  scores: codec.map(codec.string, codec.int32),
  extra: codec.record(codec.array(codec.bool)),
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
  now: codec.request(codec.nothing, codec.int64),
  stop: codec.request(codec.nothing, codec.nothing),
  parse: codec.request(date, slow),
  draw: codec.request(shape, codec.array(shape)),
  role: codec.request(shape, codec.enumeration('admin', 'user')),
  sort: codec.request(mutable, mutable),
  tags: codec.request(tags, tags),
  anything: codec.request(anything, anything),
  trees: codec.request(tree, tree),
  pair: codec.request(codec.nothing, codec.tuple([codec.uint8, codec.string])),
  json: codec.request(codec.json, codec.json),
  dates: codec.request(codec.array(codec.date), codec.record(date)),
};

function typed() {
  const [queue] = queuePair();
  return queue.typed(messages);
}

type Nothing = ReturnType<() => void>;

/** Code that is compiled and never run. */
function unrun(code: (...nothing: never[]) => unknown): void {
  expect(code).toBeTypeOf('function');
}

describe('the types of codecs', () => {
  it('are the types of their values', () => {
    expectTypeOf<codec.Output<typeof codec.int64>>().toEqualTypeOf<bigint>();
    expectTypeOf<codec.Input<typeof codec.bytes>>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<codec.Output<typeof codec.nothing>>().toEqualTypeOf<Nothing>();
    expectTypeOf<codec.Input<typeof codec.date>>().toEqualTypeOf<Date>();
    expectTypeOf<codec.Output<typeof codec.json>>().toEqualTypeOf<JsonValue>();
    expectTypeOf<codec.Output<typeof tree>>().toEqualTypeOf<Tree>();
    expectTypeOf<codec.Output<typeof date>>().toEqualTypeOf<Date>();
    expectTypeOf<codec.Input<typeof date>>().toEqualTypeOf<string>();
  });

  it('have optional fields and literal names, and accept read-only values', () => {
    expectTypeOf<codec.Output<typeof profile>>().toEqualTypeOf<{
      name: string;
      age?: number | undefined;
      nick: string | null;
      role: 'admin' | 'user';
      tags: string[];
      place: [number, bigint];
    }>();
    expectTypeOf<codec.Input<typeof profile>>().toEqualTypeOf<{
      readonly name: string;
      readonly age?: number | undefined;
      readonly nick: string | null;
      readonly role: 'admin' | 'user';
      readonly tags: readonly string[];
      readonly place: readonly [number, bigint];
    }>();
  });

  it('of a union are narrowed by the tag', () => {
    type Shape = codec.Output<typeof shape>;
    expectTypeOf<Shape>().toEqualTypeOf<{ type: 'circle'; r: number } | { type: 'dot' }>();
    unrun((one: Shape) => {
      if (one.type === 'circle') return one.r;
      // @ts-expect-error -- a dot has no radius
      return one.r as unknown;
    });
  });

  it('of struct fields can be reused', () => {
    const more = codec.struct({ ...profile.fields, extra: codec.bool });
    unrun((value: ReturnType<typeof more.decode>) => {
      expectTypeOf(value.extra).toEqualTypeOf<boolean>();
      expectTypeOf(value.age).toEqualTypeOf<number | undefined>();
    });
    expect(Object.keys(more.fields)).toEqual([...Object.keys(profile.fields), 'extra']);
  });

  it('have the input and the output of each schema inside a codec', () => {
    interface Sent {
      readonly at: string;
      readonly maybe?: string | undefined;
      readonly none: string | null;
      readonly list: readonly string[];
      readonly pair: readonly [number, string];
      readonly byName: ReadonlyMap<string, string>;
      readonly names: Readonly<Record<string, string>>;
      readonly later: string;
      readonly data: Uint8Array;
    }
    interface Received {
      at: Date;
      maybe?: Date | undefined;
      none: Date | null;
      list: Date[];
      pair: [number, Date];
      byName: Map<string, Date>;
      names: Record<string, Date>;
      later: Date;
      data: Uint8Array;
    }
    const of = codec.struct({
      at: date,
      maybe: codec.optional(date),
      none: codec.nullable(date),
      list: codec.array(date),
      pair: codec.tuple([codec.uint8, date]),
      byName: codec.map(codec.string, date),
      names: codec.record(date),
      later: codec.lazy(() => date),
      data: codec.bytes,
    });
    expectTypeOf<codec.Input<typeof of>>().toEqualTypeOf<Sent>();
    expectTypeOf<codec.Output<typeof of>>().toEqualTypeOf<Received>();
    const event = codec.union('type', { at: { at: date }, none: {} });
    type Sendable = { readonly type: 'at'; readonly at: string } | { readonly type: 'none' };
    type Receivable = { type: 'at'; at: Date } | { type: 'none' };
    expectTypeOf(event).toEqualTypeOf<Codec<Sendable, Receivable>>();
    expectTypeOf(of.fields.at).toEqualTypeOf<StandardSchema<string, Date>>();
  });

  it('have the types of schemas of libraries', () => {
    const who = z.object({ name: z.string(), born: z.iso.date().transform((text) => new Date(text)) });
    const of = codec.struct({ who, count: v.pipe(v.string(), v.transform(Number)), data: codec.bytes });
    interface Given {
      name: string;
      born: string;
    }
    interface Who {
      name: string;
      born: Date;
    }
    unrun((value: codec.Output<typeof of>) =>
      codec.encode(of, { ...value, who: { name: '', born: '' }, count: '1' }),
    );
    expectTypeOf<codec.Output<typeof of>>().toEqualTypeOf<{ who: Who; count: number; data: Uint8Array }>();
    expectTypeOf<codec.Input<typeof of>['who']>().toEqualTypeOf<Given>();
    expectTypeOf(codec.array(who)).toEqualTypeOf<Codec<readonly Given[], Who[]>>();
    expectTypeOf(codec.optional(v.pipe(v.string(), v.transform(Number)))).toEqualTypeOf<
      OptionalCodec<string, number>
    >();
  });

  it('of generic codecs stay generic', () => {
    const page = <T>(item: Codec<T>): Codec<{ readonly items: readonly T[] }> =>
      codec.struct({ items: codec.array(item) });
    expectTypeOf(page(codec.uint8)).toEqualTypeOf<Codec<{ readonly items: readonly number[] }>>();
  });

  it('accept every JSON value for codec.json, also read-only ones', () => {
    unrun((value: JsonValue, names: readonly string[], maybe: { readonly a?: number | undefined }) => {
      codec.encode(codec.json, value);
      codec.encode(codec.json, names);
      codec.encode(codec.json, [{ names, maybe, none: null }]);
      // @ts-expect-error -- JSON has no bigints
      codec.encode(codec.json, [1n]);
      // @ts-expect-error -- nor undefined, except as a property
      codec.encode(codec.json, undefined);
      if (Array.isArray(value)) return expectTypeOf(value).toEqualTypeOf<JsonValue[]>();
      if (typeof value !== 'object' || value === null) return undefined;
      return expectTypeOf(value['a']).toEqualTypeOf<JsonValue | undefined>();
    });
  });

  it('reject a part that is not a codec', () => {
    unrun(() => {
      // @ts-expect-error -- a promise is neither a codec nor a schema
      codec.array(Promise.resolve(codec.bool));
      // @ts-expect-error -- keys are codecs: their values are equal if their bytes are
      codec.map(date, codec.bool);
      // @ts-expect-error -- objects are no keys: two that look the same are not the same
      codec.map(codec.bytes, codec.bool);
      // @ts-expect-error -- a codec of text is none of numbers
      const numbers: Codec<number> = codec.string;
      return numbers;
    });
  });
});

describe('the types of a typed queue', () => {
  it('give callbacks their values and contexts', () => {
    unrun(() => {
      const queue = typed();
      queue.registerCallback('profile', (value, context) => {
        expectTypeOf(value).toEqualTypeOf<codec.Output<typeof profile>>();
        expectTypeOf(context).toEqualTypeOf<MemoryContext>();
      });
      queue.registerCallback('date', (value) => {
        expectTypeOf(value).toEqualTypeOf<Date>();
      });
      queue.registerCallback('ping', (value) => {
        expectTypeOf(value).toEqualTypeOf<Nothing>();
      });
      queue.registerCallback('scores', (value) => {
        expectTypeOf(value).toEqualTypeOf<Map<string, number>>();
      });
      queue.registerCallback('extra', (value) => {
        expectTypeOf(value).toEqualTypeOf<Record<string, boolean[]>>();
      });
      queue.registerCallback('maybe', (value) => {
        expectTypeOf(value).toEqualTypeOf<string | undefined>();
      });
    });
  });

  it('require the answer of a request, synchronous or as a promise', () => {
    unrun(() => {
      const queue = typed();
      queue.registerCallback('add', ({ a, b }) => a + b);
      queue.registerCallback('add', ({ a, b }) => Promise.resolve(a + b));
      queue.registerCallback('add', ({ a }) => a, { concurrency: 2 });
      // @ts-expect-error -- the answer is a number
      queue.registerCallback('add', ({ a }) => String(a));
      // @ts-expect-error -- and not a promise of something else
      queue.registerCallback('add', ({ a }) => Promise.resolve(String(a)));
      // @ts-expect-error -- and not nothing
      queue.registerCallback('add', () => undefined);
      queue.registerCallback('stop', () => undefined);
      queue.registerCallback('stop', async () => {
        await Promise.resolve();
      });
      // @ts-expect-error -- the answer is no value
      queue.registerCallback('stop', () => 7);
      queue.registerCallback('parse', (value) => ({ n: value.toISOString() }));
      // @ts-expect-error -- the answer is what the schema takes, not what it gives
      queue.registerCallback('parse', () => ({ n: 1 }));
      queue.registerCallback('draw', (one) => [one, { type: 'dot' }]);
      queue.registerCallback('draw', async (one) => {
        await Promise.resolve();
        return [{ type: 'dot' }, one];
      });
      queue.registerCallback('role', (one) => (one.type === 'dot' ? 'user' : 'admin'));
      queue.registerCallback('role', async () => {
        await Promise.resolve();
        return 'user';
      });
      // @ts-expect-error -- there is no such name in the enumeration
      queue.registerCallback('role', () => 'guest');
      queue.registerCallback('sort', (list) => list.toSorted());
      queue.registerCallback('sort', () => [1, 2]);
      queue.registerCallback('tags', () => ({ tags: ['a', 'b'] }));
      queue.registerCallback('tags', (value) => value);
      // @ts-expect-error -- tags are strings
      queue.registerCallback('tags', () => ({ tags: [1] }));
      queue.registerCallback('anything', () => undefined);
      queue.registerCallback('trees', (value) => value);
      queue.registerCallback('trees', () => ({ value: 1, children: [{ value: 2, children: [] }] }));
      queue.registerCallback('pair', () => [1, 'a']);
      // @ts-expect-error -- the number is the first
      queue.registerCallback('pair', () => ['a', 1]);
      queue.registerCallback('json', (value) => value);
      queue.registerCallback('json', () => ({ list: [1, 'a', null], left: undefined }));
      // @ts-expect-error -- JSON has no bigints
      queue.registerCallback('json', () => [1n]);
      queue.registerCallback('dates', ([first]) => ({ first: first?.toISOString() ?? '' }));
      // @ts-expect-error -- the schema takes text
      queue.registerCallback('dates', ([first]) => ({ first: first ?? new Date() }));
      // @ts-expect-error -- a child has a value
      queue.registerCallback('trees', () => ({ value: 1, children: [{ children: [] }] }));
      // @ts-expect-error -- there is no such case
      queue.registerCallback('draw', () => [{ type: 'square' }]);
      // @ts-expect-error -- the argument has no such field
      queue.registerCallback('add', ({ c }) => Number(c));
      // @ts-expect-error -- there is no such option
      queue.registerCallback('add', ({ a }) => a, { speed: 2 });
    });
  });

  it('check sent values', () => {
    unrun(async () => {
      const queue = typed();
      await queue.sendRegistered('ping');
      await queue.sendRegistered('ping', undefined, { signal: new AbortController().signal });
      await queue.sendRegistered('maybe');
      await queue.sendRegistered('maybe', 'text');
      await queue.sendRegistered('date', '2020-01-01');
      await queue.sendRegistered('scores', readOnlyScores);
      await queue.sendRegistered('shape', { type: 'circle', r: 1 });
      await queue.sendRegistered('profile', {
        name: '',
        nick: null,
        role: 'user',
        tags: ['a'] as const,
        place: [1, 2n],
      });
      // @ts-expect-error -- the argument is missing
      await queue.sendRegistered('date');
      // @ts-expect-error -- what is sent is what the schema takes
      await queue.sendRegistered('date', new Date());
      // @ts-expect-error -- nothing is no value
      await queue.sendRegistered('ping', 1);
      // @ts-expect-error -- a circle has a radius
      await queue.sendRegistered('shape', { type: 'circle' });
      // @ts-expect-error -- fields are missing
      await queue.sendRegistered('profile', { name: '' });
      // @ts-expect-error -- there is no such name
      await queue.sendRegistered('toString', 1);
      // @ts-expect-error -- a request is called
      await queue.sendRegistered('add', { a: 1, b: 2 });
      // @ts-expect-error -- a message is not waited for
      await queue.sendRegistered('ping', undefined, { timeout: 5 });
    });
  });

  it('give the answer of a call', () => {
    unrun(async () => {
      const queue = typed();
      expectTypeOf(await queue.call('add', { a: 1, b: 2 })).toEqualTypeOf<number>();
      expectTypeOf(await queue.call('now')).toEqualTypeOf<bigint>();
      expectTypeOf(await queue.call('json', { a: [1] })).toEqualTypeOf<JsonValue>();
      expectTypeOf(await queue.call('dates', [new Date()])).toEqualTypeOf<Record<string, Date>>();
      expectTypeOf(await queue.call('now', undefined, { timeout: 5 })).toEqualTypeOf<bigint>();
      expectTypeOf(queue.call('stop')).toEqualTypeOf<Promise<void>>();
      expectTypeOf(await queue.call('parse', '2020')).toEqualTypeOf<{ n: number }>();
      expectTypeOf(await queue.call('draw', { type: 'dot' })).toEqualTypeOf<
        ({ type: 'circle'; r: number } | { type: 'dot' })[]
      >();
      // @ts-expect-error -- the argument is missing
      await queue.call('add');
      // @ts-expect-error -- a field is missing
      await queue.call('add', { a: 1 });
      // @ts-expect-error -- a field is of another type
      await queue.call('add', { a: 1, b: '2' });
      // @ts-expect-error -- a message has no answer
      await queue.call('ping');
      // @ts-expect-error -- there is no such name
      await queue.call('sub', { a: 1, b: 2 });
    });
  });

  it('check tasks and the names of removed callbacks', () => {
    unrun(() => {
      const queue = typed();
      queue.registerTask('date', () => '2020');
      queue.registerTask('ping', () => undefined);
      queue.registerTask('shape', () => ({ type: 'dot' }));
      // @ts-expect-error -- a task gives what is sent
      queue.registerTask('date', () => new Date());
      // @ts-expect-error -- and gives it at once
      queue.registerTask('date', () => Promise.resolve('2020'));
      // @ts-expect-error -- a request is no task
      queue.registerTask('add', () => ({ a: 1, b: 2 }));
      queue.removeCallback('add');
      queue.removeTask('date');
      // @ts-expect-error -- there is no such name
      queue.removeCallback('sub');
      // @ts-expect-error -- a request is no task
      queue.removeTask('add');
    });
  });

  it('reject a value that is not a definition', () => {
    unrun(() => {
      const [queue] = queuePair();
      // @ts-expect-error -- a number describes nothing
      const wrong = queue.typed({ a: 1 });
      // @ts-expect-error -- a request is no argument
      codec.request(codec.request(codec.bool, codec.bool), codec.bool);
      return wrong;
    });
  });
});
