import { expect, expectTypeOf, it } from 'vitest';
import * as codec from '../../../lib/codec/index.js';
import type { AnswerStream } from '../../../lib/queue/call-types.js';
import { DecodeError } from '../../../lib/errors.js';
import type { TypedQueue } from '../../../lib/queue/types.js';
import { slowSchema } from '../../codec/schemas.js';
import { useFixture } from '../../support/fixture.js';
import { ErrorLog } from '../../support/queue.js';
import { reasonOf, until } from '../../support/sockets.js';

const row = codec.struct({ id: codec.uint32, tags: codec.array(codec.string) });
const messages = {
  rows: codec.stream(codec.struct({ where: codec.string }), row),
  counted: codec.stream(codec.nothing, codec.uint8, { answer: codec.uint32 }),
  chat: codec.stream(codec.nothing, codec.string, { body: codec.string, answer: codec.string }),
  put: codec.request(codec.string, codec.uint32, { body: codec.bytes }),
  json: codec.stream(
    codec.nothing,
    slowSchema(() => ({ n: 1 })),
  ),
  add: codec.request(codec.struct({ a: codec.int32 }), codec.int32),
  note: codec.string,
};

const fixture = useFixture('plain over TCP');

async function typedPair(log: ErrorLog = new ErrorLog()) {
  const { near, far } = await fixture.queuePair({ far: { onError: log.onError } });
  near.start();
  far.start();
  return { near, far, client: near.typed(messages), server: far.typed(messages) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const item of items) values.push(item);
  return values;
}

it('a typed stream has values as items, and a typed answer', async () => {
  const { client, server } = await typedPair();
  server.registerCallback('rows', async function* ({ where }) {
    yield await Promise.resolve({ id: 1, tags: [where] });
    yield { id: 2, tags: [] };
  });
  server.registerCallback('counted', async function* () {
    yield await Promise.resolve(7);
    return 1;
  });
  const rows = client.stream('rows', { where: 'x' });
  expectTypeOf(rows).toEqualTypeOf<AnswerStream<{ id: number; tags: string[] }, void>>();
  expect(await all(rows)).toEqual([
    { id: 1, tags: ['x'] },
    { id: 2, tags: [] },
  ]);
  expect(await (rows.answer as Promise<unknown>)).toBeUndefined();
  const counted = client.stream('counted');
  expectTypeOf(counted.answer).resolves.toEqualTypeOf<number>();
  expect(await all(counted)).toEqual([7]);
  expect(await counted.answer).toBe(1);
});

it('a typed body has values, for call and for stream', async () => {
  const { client, server } = await typedPair();
  server.registerCallback('put', async (name, { body, signal, name: called, socket }) => {
    expectTypeOf(body).toEqualTypeOf<AsyncIterableIterator<Uint8Array, void>>();
    expect([called, signal.aborted, socket.readyState]).toEqual(['put', false, 'open']);
    let size = name.length;
    for await (const piece of body) size += piece.length;
    return size;
  });
  server.registerCallback('chat', async function* (_, { body }) {
    let last = '';
    for await (const line of body) yield (last = `> ${line}`);
    return last;
  });
  expect(await client.call('put', 'abc', { body: [new Uint8Array(5), new Uint8Array(2)] })).toBe(10);
  const chat = client.stream('chat', undefined, { body: ['a', 'b'] });
  expect(await all(chat)).toEqual(['> a', '> b']);
  expect(await chat.answer).toBe('> b');
});

it('a schema describes items too, also one that is asynchronous', async () => {
  const { client, server } = await typedPair();
  server.registerCallback('json', async function* () {
    yield await Promise.resolve({ n: 'one' });
  });
  expect(await all(client.stream('json'))).toEqual([{ n: 1 }]);
});

it('an item that does not decode is a DecodeError that cancels the call', async () => {
  const { client, near, far } = await typedPair();
  let returned = 0;
  far.registerCallback('rows', async function* () {
    try {
      for (;;) yield await Promise.resolve(Uint8Array.of(1));
    } finally {
      returned += 1;
    }
  });
  far.registerCallback('counted', async function* () {
    yield await Promise.resolve(Uint8Array.of(1));
    return Uint8Array.of(1, 2);
  });
  const rows = client.stream('rows', { where: '' });
  const reason = await reasonOf(rows.next());
  expect(reason).toBeInstanceOf(DecodeError);
  expect((reason as DecodeError).message).toContain("an item of 'rows' does not decode");
  expect(await reasonOf(rows.answer)).toBe(reason);
  expect((await rows.next()).done).toBe(true);
  await until(() => returned === 1 && near.stats().streams === 0);
  const counted = client.stream('counted');
  expect((await counted.next()).value).toBe(1);
  expect(await reasonOf(counted.next())).toBeInstanceOf(DecodeError);
});

it('an item of a body that does not decode is a DecodeError in the loop of the callback', async () => {
  const log = new ErrorLog();
  const { near, server } = await typedPair(log);
  server.registerCallback('put', async (_, { body }) => (await all(body)).length);
  const name = (writer: { writeUint(n: number): void }): void => {
    writer.writeUint(0);
  };
  expect(await reasonOf(near.call('put', name, { body: [Uint8Array.of(9, 9)] }))).toMatchObject({
    remoteCode: 'K4NET_DECODE',
  });
  expect(log.entries[0]?.error).toBeInstanceOf(DecodeError);
  expect(near.stats().streams).toBe(0);
});

it('an item of a wrong type fails the stream, or the call with its body', async () => {
  const log = new ErrorLog();
  const { client, server } = await typedPair(log);
  server.registerCallback('counted', async function* () {
    yield await Promise.resolve(256);
    return 1;
  });
  server.registerCallback('put', async (_, { body }) => (await all(body)).length);
  expect(await reasonOf(client.stream('counted').next())).toMatchObject({ code: 'K4NET_REMOTE' });
  expect(log.entries[0]?.error).toBeInstanceOf(RangeError);
  const wrong = client.call('put', '', { body: ['text' as unknown as Uint8Array] });
  expect(await reasonOf(wrong)).toBeInstanceOf(TypeError);
});

it('wrong kinds of requests are a TypeError', async () => {
  const { client } = await typedPair();
  const loose = client as unknown as {
    call(name: string, ...rest: unknown[]): Promise<unknown>;
    stream(name: string, ...rest: unknown[]): unknown;
  };
  expect(await reasonOf(loose.call('rows', { where: '' }))).toBeInstanceOf(TypeError);
  expect(() => loose.stream('add', { a: 1 })).toThrow(TypeError);
  expect(() => loose.stream('note', '')).toThrow(TypeError);
  expect(() => loose.stream('chat', undefined, { body: 5 })).toThrow(TypeError);
  expect(() => codec.stream(codec.nothing, 5 as never)).toThrow('the items of a stream');
  expect(() => codec.request(codec.nothing, codec.nothing, { body: 5 as never })).toThrow('the body of');
});

it('the compiler checks items, bodies, answers and names', () => {
  const check = (client: TypedQueue<typeof messages>): void => {
    // @ts-expect-error rows gives items: only stream takes them
    void client.call('rows', { where: '' });
    // @ts-expect-error add gives no items
    client.stream('add', { a: 1 });
    // @ts-expect-error the body is missing
    void client.call('put', '');
    // @ts-expect-error a piece of the body is bytes
    void client.call('put', '', { body: ['text'] });
    // @ts-expect-error add has no body
    void client.call('add', { a: 1 }, { body: [] });
    // @ts-expect-error an item has an id
    client.registerCallback('rows', async function* () {
      yield await Promise.resolve({ tags: [] });
    });
    // @ts-expect-error the answer is a number
    client.registerCallback('counted', async function* () {
      yield await Promise.resolve(1);
      return 'text';
    });
    // @ts-expect-error rows does not take a single row
    client.registerCallback('rows', () => ({ id: 1, tags: [] }));
    client.registerCallback('rows', () => new ReadableStream<{ id: number; tags: string[] }>());
  };
  expect(check).toBeTypeOf('function');
});
