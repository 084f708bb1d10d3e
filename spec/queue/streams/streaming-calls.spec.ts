import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { K4netError, RemoteError, TimeoutError } from '../../../lib/errors.js';
import type { BinaryReader } from '../../../lib/binary/reader.js';
import { useFixture, type QueuePair, type QueuePairOptions } from '../../support/fixture.js';
import { bytesOf, ErrorLog, textIn } from '../../support/queue.js';
import { turns } from '../../support/recorder.js';
import { reasonOf, until } from '../../support/sockets.js';

const fixture = useFixture('plain over TCP');

async function started(options?: QueuePairOptions): Promise<QueuePair> {
  const pair = await fixture.queuePair(options);
  pair.near.start();
  pair.far.start();
  return pair;
}

async function all(items: AsyncIterable<BinaryReader>): Promise<string[]> {
  const texts: string[] = [];
  for await (const item of items) texts.push(textIn(item));
  return texts;
}

it('stream returns the items of an async generator, and then its return value as the answer', async () => {
  const { near, far } = await started();
  far.registerCallback('count', async function* (reader) {
    const last = Number(textIn(reader));
    for (let n = 1; n <= last; n += 1) yield await Promise.resolve(`row ${n}`);
    return 'the end';
  });
  const rows = near.stream('count', '3');
  expect(await all(rows)).toEqual(['row 1', 'row 2', 'row 3']);
  expect(textIn(await rows.answer)).toBe('the end');
  expect(near.stats()).toMatchObject({ streams: 0, callsInFlight: 0, itemsReceived: 3 });
  expect(far.stats()).toMatchObject({ streams: 0, requestsInFlight: 0, itemsSent: 3 });
});

it('an ordinary generator gives items too', async () => {
  const { near, far } = await fixture.queuePair();
  far.registerCallback('rows', function* () {
    yield 'one';
    yield 'two';
    return 'end';
  });
  near.start();
  far.start();
  const rows = near.stream('rows');
  const texts: string[] = [];
  for await (const row of rows) texts.push(textIn(row));
  expect(texts).toEqual(['one', 'two']);
  expect(textIn(await rows.answer)).toBe('end');
});

it('stream of a callback that gives no items has an answer only', async () => {
  const { near, far } = await started();
  far.registerCallback('plain', () => 'answer');
  const rows = near.stream('plain');
  expect(await all(rows)).toEqual([]);
  expect(textIn(await rows.answer)).toBe('answer');
});

it('a callback may answer with a ReadableStream, a Node stream, or a promise of either', async () => {
  const { near, far } = await started();
  far.registerCallback('web', () => new Blob(['web']).stream() as ReadableStream<Uint8Array>);
  far.registerCallback('node', async () => Promise.resolve(Readable.from([bytesOf('a'), bytesOf('b')])));
  expect(await all(near.stream('web'))).toEqual(['web']);
  expect(await all(near.stream('node'))).toEqual(['a', 'b']);
});

it('call sends a body, which the callback reads from its context', async () => {
  const { near, far } = await started();
  far.registerCallback('put', async (reader, { body }) => {
    const name = textIn(reader);
    return `${name}: ${(await all(body)).join('+')}`;
  });
  expect(textIn(await near.call('put', 'list', { body: ['a', bytesOf('b'), 'c'] }))).toBe('list: a+b+c');
  async function* pieces(): AsyncGenerator<string> {
    yield await Promise.resolve('x');
    yield 'y';
  }
  expect(textIn(await near.call('put', 'generator', { body: pieces() }))).toBe('generator: x+y');
  expect(textIn(await near.call('put', 'empty', { body: [] }))).toBe('empty: ');
  expect(far.stats().streams + near.stats().streams).toBe(0);
});

it('the body of a call without one is empty', async () => {
  const { near, far } = await started();
  far.registerCallback('put', async (_, { body }) => String((await all(body)).length));
  expect(textIn(await near.call('put'))).toBe('0');
});

it('a duplex stream has a body and items at the same time', async () => {
  const { near, far } = await started();
  far.registerCallback('echo', async function* (_, { body }) {
    let count = 0;
    for await (const line of body) {
      count += 1;
      yield `echo ${textIn(line)}`;
    }
    return String(count);
  });
  let next: (line: string | undefined) => void = () => undefined;
  async function* lines(): AsyncGenerator<string> {
    for (;;) {
      const line = await new Promise<string | undefined>((resolve) => (next = resolve));
      if (line === undefined) return;
      yield line;
    }
  }
  const chat = near.stream('echo', undefined, { body: lines() });
  await until(() => far.stats().streams === 1 && near.stats().streams === 1);
  const first = chat.next();
  await until(() => far.stats().callbacksRun === 1);
  await new Promise(setImmediate);
  next('one');
  const result = await first;
  expect(result.done === true ? '' : textIn(result.value)).toBe('echo one');
  next(undefined);
  expect(await all(chat)).toEqual([]);
  expect(textIn(await chat.answer)).toBe('1');
});

it('pieces of a byte stream are divided, and items of other sources stay whole', async () => {
  const { near, far } = await started();
  const sizes: number[] = [];
  far.registerCallback('put', async (_, { body }) => {
    for await (const piece of body) sizes.push(piece.remaining);
  });
  await near.call('put', '', { body: Readable.from([Buffer.alloc(150_000)], { objectMode: false }) });
  await near.call('put', '', { body: new Blob([new Uint8Array(1000)]).stream() });
  await near.call('put', '', { body: [new Uint8Array(128 * 1024)] });
  expect(sizes).toEqual([65536, 65536, 18928, 1000, 131072]);
});

it('an item over half of the window fails the call with a RangeError that names the option', async () => {
  const log = new ErrorLog();
  const { near, far } = await started({
    far: { streamWindow: 1024, onError: log.onError },
    near: { streamWindow: 1024 },
  });
  far.registerCallback('put', async (_, { body }) => String((await all(body)).length));
  far.registerCallback('rows', async function* () {
    yield await Promise.resolve(new Uint8Array(512));
    yield new Uint8Array(513);
  });
  expect(await reasonOf(near.call('put', '', { body: [new Uint8Array(513)] }))).toMatchObject({
    name: 'RangeError',
    message: 'an item of 513 bytes exceeds half of the window of the peer (512 bytes; streamWindow)',
  });
  const rows = near.stream('rows');
  expect((await rows.next()).done).toBe(false);
  expect(await reasonOf(rows.next())).toMatchObject({ code: 'K4NET_REMOTE' });
  expect(log.kinds).toEqual(['request rows']);
});

it('a callback that throws ends the items with a RemoteError after those that it gave', async () => {
  const log = new ErrorLog();
  const { near, far } = await started({ far: { onError: log.onError } });
  far.registerCallback('rows', async function* () {
    yield await Promise.resolve('one');
    throw Object.assign(new Error('no more'), { code: 'EROWS' });
  });
  const rows = near.stream('rows');
  const first = await rows.next();
  expect(first.done === true ? '' : textIn(first.value)).toBe('one');
  const reason = await reasonOf(rows.next());
  expect(reason).toBeInstanceOf(RemoteError);
  expect(reason).toMatchObject({ remoteCode: 'EROWS', remoteMessage: 'no more' });
  expect(await reasonOf(rows.answer)).toBe(reason);
  expect((await rows.next()).done).toBe(true);
  expect(log.kinds).toEqual(['request rows']);
});

it('break returns the generator of the peer and aborts its signal, and the socket lives on', async () => {
  const log = new ErrorLog();
  const { near, far } = await started({ far: { onError: log.onError } });
  const ends: string[] = [];
  far.registerCallback('rows', async function* (_, { signal }) {
    signal.addEventListener('abort', () => ends.push('aborted'));
    try {
      for (let n = 0; ; n += 1) yield await Promise.resolve(String(n));
    } finally {
      ends.push('finally');
    }
  });
  far.registerCallback('ping', () => 'pong');
  const rows = near.stream('rows');
  for await (const row of rows) if (textIn(row) === '5') break;
  expect(await reasonOf(rows.answer)).toMatchObject({ code: 'K4NET_STREAM' });
  await until(() => far.stats().streams === 0 && near.stats().streams === 0);
  expect(ends.sort()).toEqual(['aborted', 'finally']);
  expect(textIn(await near.call('ping'))).toBe('pong');
  expect(log.kinds).toEqual([]);
});

it('a signal and the timeouts cancel a stream', async () => {
  const { near, far } = await started();
  let ended = 0;
  far.registerCallback('slow', async function* (reader, { signal }) {
    try {
      if (textIn(reader) === 'one') yield 'one';
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    } finally {
      ended += 1;
    }
  });
  const abort = new AbortController();
  const aborted = near.stream('slow', '', { signal: abort.signal }).next();
  await until(() => far.stats().callbacksRun === 1);
  await turns(1);
  abort.abort('enough');
  expect(await reasonOf(aborted)).toBe('enough');
  const first = await reasonOf(near.stream('slow', '', { timeout: 20 }).next());
  expect(first).toBeInstanceOf(TimeoutError);
  const rows = near.stream('slow', 'one', { timeout: 60_000, idleTimeout: 20 });
  expect((await rows.next()).done).toBe(false);
  expect(await reasonOf(rows.next())).toMatchObject({ code: 'K4NET_TIMEOUT', timeout: 20 });
  await until(() => ended === 3 && near.stats().streams === 0);
});

it('a body that throws cancels the call, and the loop of the callback throws', async () => {
  const { near, far } = await started();
  const reasons: unknown[] = [];
  far.registerCallback('put', async (_, { body }) => {
    try {
      await all(body);
    } catch (error) {
      reasons.push(error);
    }
  });
  async function* pieces(): AsyncGenerator<string> {
    yield await Promise.resolve('a');
    throw new Error('disk failed');
  }
  expect(await reasonOf(near.call('put', '', { body: pieces() }))).toMatchObject({ message: 'disk failed' });
  await until(() => reasons.length === 1 && near.stats().streams === 0);
  expect(K4netError.is(reasons[0], 'K4NET_CLOSED')).toBe(true);
});

it('a source whose steps are no results fails the call', async () => {
  const { near, far } = await fixture.queuePair();
  far.registerCallback('put', async (_, { body }) => {
    for await (const item of body) expect(item).toBeUndefined();
  });
  near.start();
  far.start();
  for (const step of [undefined, Promise.resolve(undefined)]) {
    const iterator = { next: () => step };
    const sync = { [Symbol.iterator]: () => iterator } as unknown as Iterable<string>;
    const later = { [Symbol.asyncIterator]: () => iterator } as unknown as AsyncIterable<string>;
    expect(await reasonOf(near.call('put', '', { body: later }))).toBeInstanceOf(TypeError);
    if (step === undefined)
      expect(await reasonOf(near.call('put', '', { body: sync }))).toBeInstanceOf(TypeError);
  }
});

it('a callback that returns, or leaves its loop, before it has read its body stops the body', async () => {
  const { near, far } = await started();
  let returned = 0;
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) yield await Promise.resolve('a');
    } finally {
      returned += 1;
    }
  }
  let go: () => void = () => undefined;
  far.registerCallback('none', () => 'none');
  far.registerCallback('first', async (_, { body }) => {
    await body.next();
    return 'first';
  });
  far.registerCallback('leave', async (_, { body }) => {
    for await (const item of body) if (item.remaining > 0) break;
    await new Promise<void>((resolve) => (go = resolve));
    return 'left';
  });
  // A generator that has not started has no finally to run.
  expect(textIn(await near.call('none', '', { body: endless() }))).toBe('none');
  expect(textIn(await near.call('first', '', { body: endless() }))).toBe('first');
  await until(() => returned === 1);
  const left = near.call('leave', '', { body: endless() });
  await until(() => returned === 2);
  go();
  expect(textIn(await left)).toBe('left');
  await until(() => near.stats().streams + far.stats().streams === 0);
});

it('with manual dispatch recvRegistered starts a streaming call, and does not wait for its end', async () => {
  const { near, far } = await started({ far: { dispatch: 'manual' } });
  far.registerCallback('follow', async function* (_, { signal }) {
    yield 'line';
    await until(() => signal.aborted);
  });
  const lines = near.stream('follow');
  await until(() => far.stats().requestQueue.messages === 1);
  await far.recvRegistered();
  const first = await lines.next();
  expect(first.done === true ? '' : textIn(first.value)).toBe('line');
  expect(far.stats()).toMatchObject({ streams: 1, callbacksRun: 1 });
  await lines.return();
  await until(() => far.stats().streams === 0 && far.stats().requestQueue.messages === 0);
});

it('items for a call or a message are an error, and never a silent drop', async () => {
  const log = new ErrorLog();
  const { near, far } = await started({ far: { onError: log.onError } });
  far.registerCallback('rows', async function* () {
    yield await Promise.resolve('row');
  });
  expect(await reasonOf(near.call('rows'))).toMatchObject({ remoteCode: 'K4NET_STREAM' });
  expect(await reasonOf(near.call('rows', '', { body: [] }))).toMatchObject({ remoteCode: 'K4NET_STREAM' });
  await near.sendRegistered('rows');
  await until(() => log.kinds.length === 3);
  expect(log.kinds).toEqual(['request rows', 'request rows', 'message rows']);
});
