import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DecodeError, MalformedError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/combinators.js';
import type { Messages } from '../../lib/codec/messages.js';
import type { StandardSchema } from '../../lib/codec/codec.js';
import { queuePair } from './memory-queue.js';
import { parts, Refused, schema, slowSchema } from './schemas.js';

interface Chat {
  readonly who: string;
  readonly lines: readonly string[];
}

function checkChat(value: unknown): Chat {
  const { who, lines } = parts(value);
  if (typeof who !== 'string') throw new Refused({ message: 'no name', path: ['who'] });
  if (!Array.isArray(lines)) throw new Refused({ message: 'no lines', path: [{ key: 'lines' }] });
  const bad = lines.findIndex((line) => typeof line !== 'string');
  if (bad !== -1)
    throw new Refused({ message: `${String(lines[bad])} is no line`, path: ['lines', { key: bad }] });
  return { who, lines: lines as string[] };
}

const text = (value: unknown): string => {
  if (typeof value === 'string') return value;
  throw new Refused({ message: 'no text' });
};
const toDate = (value: unknown): Date => new Date(text(value));

const chat = schema<Chat>(checkChat);
const date = schema<string, Date>(toDate);
const slowDate = slowSchema<string, Date>(toDate);

function sides<M extends Messages>(messages: M) {
  const [left, right] = queuePair();
  return { left, right, from: left.typed(messages), to: right.typed(messages) };
}

/** The message of the error of a queue for a JSON payload under the name `m`. */
async function refusal(of: StandardSchema, json: string | Uint8Array): Promise<DecodeError> {
  const { left, right, to } = sides({ m: of });
  let calls = 0;
  to.registerCallback('m', () => {
    calls += 1;
  });
  const bytes = typeof json === 'string' ? new TextEncoder().encode(json) : json;
  await left.sendRegistered('m', (writer) => {
    writer.write(bytes);
  });
  expect(calls).toBe(0);
  expect(right.errors).toHaveLength(1);
  expect(right.errors[0]).toBeInstanceOf(DecodeError);
  return right.errors[0] as DecodeError;
}

describe('a schema', () => {
  it('has plain JSON as its payload', async () => {
    const { right, from, to } = sides({ m: chat });
    const heard: unknown[] = [];
    to.registerCallback('m', (value) => heard.push(value));
    const value = { who: 'é', lines: ['a', '{["'] };
    await from.sendRegistered('m', value);
    expect(new TextDecoder().decode(right.received[0]![1])).toBe(JSON.stringify(value));
    expect(heard).toEqual([value]);
  });

  it('passes on the value that it returns', async () => {
    const { from, to } = sides({ m: date, ask: codec.request(date, date) });
    const heard: Date[] = [];
    to.registerCallback('m', (value) => heard.push(value));
    to.registerCallback('ask', (value) => value.toISOString());
    await from.sendRegistered('m', '2020-02-02');
    expect(heard).toEqual([new Date('2020-02-02')]);
    expect(await from.call('ask', '2021-01-01')).toEqual(new Date('2021-01-01'));
  });

  it('keeps a synchronous callback synchronous', async () => {
    const { right, from, to } = sides({ m: chat, ask: codec.request(chat, codec.uint8) });
    to.registerCallback('m', () => 1);
    to.registerCallback('ask', () => 7);
    await from.sendRegistered('m', { who: '', lines: [] });
    await from.call('ask', { who: '', lines: [] });
    expect(right.returned).toEqual([undefined, Uint8Array.of(7)]);
  });

  it('may be asynchronous on both sides', async () => {
    const { right, from, to } = sides({ m: slowDate, ask: codec.request(slowDate, slowDate) });
    const heard: Date[] = [];
    to.registerCallback('m', (value) => heard.push(value));
    to.registerCallback('ask', (value) => value.toISOString());
    await from.sendRegistered('m', '2020-02-02');
    expect(await from.call('ask', '2021-01-01')).toEqual(new Date('2021-01-01'));
    expect(heard).toEqual([new Date('2020-02-02')]);
    expect(right.errors).toEqual([]);
  });

  it('may be a function', async () => {
    const of = Object.assign(() => undefined, chat);
    const { from, to } = sides({ m: of });
    const heard: unknown[] = [];
    to.registerCallback('m', (value) => heard.push(value));
    await from.sendRegistered('m', { who: 'a', lines: [] });
    expect(heard).toEqual([{ who: 'a', lines: [] }]);
  });
});

describe('a value that a schema rejects', () => {
  it('causes a DecodeError with the issues and the path of the first', async () => {
    const error = await refusal(chat, '{"who":"x","lines":["a","b",{"secret":1}]}');
    expect(error.message).toBe("the payload of 'm' does not decode at offset 0: the schema rejects it");
    expect([error.messageName, error.offset, error.path]).toEqual(['m', 0, 'lines[2]']);
    expect(error.issues).toEqual([{ message: '[object Object] is no line', path: ['lines', { key: 2 }] }]);
    expect(error.cause).toBeUndefined();
    expect((await refusal(chat, '{"who":"x"}')).path).toBe('lines');
    expect((await refusal(schema(text), '1')).path).toBe('');
  });

  it('causes a DecodeError for an asynchronous schema too', async () => {
    const error = await refusal(slowSchema(checkChat), '{"who":1}');
    expect([error.messageName, error.path, error.issues.length]).toEqual(['m', 'who', 1]);
  });

  it('does not appear in the printed error', async () => {
    const of = schema((value) => {
      throw new Refused({ message: `bad: ${JSON.stringify(value)}` });
    });
    expect(inspect(await refusal(of, '"topsecret"'))).not.toContain('topsecret');
    expect(inspect(await refusal(of, 'topsecret'))).not.toContain('topsecret');
  });

  it('has a path of bounded length, whatever keys the peer sends', async () => {
    const of = schema((value) => {
      throw new Refused({ message: 'no', path: [Symbol('s'), ...Object.keys(parts(value))] });
    });
    const { path, message } = await refusal(of, JSON.stringify({ ['k'.repeat(10_000)]: 1 }));
    expect(path).toMatch(/^\["Symbol\(s\)"\]\.kkk/);
    expect(path.length).toBe(256);
    expect(message).not.toContain('k'.repeat(10));
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine');
      },
      new Error('mine'),
    ],
    ['rejects', () => Promise.reject(new Error('mine')), new Error('mine')],
    ['answers with no result', () => undefined, new TypeError('the schema returned undefined, not a result')],
    [
      'resolves with no result',
      () => Promise.resolve(null),
      new TypeError('the schema returned null, not a result'),
    ],
  ])('includes all for which it %s', async (_name, validate, cause) => {
    const of = { '~standard': { version: 1, vendor: 'test', validate } } as unknown as StandardSchema;
    const error = await refusal(of, '1');
    expect(error.cause).toEqual(cause);
    expect(error.message).toMatch(/: decoding it threw (Type)?Error$/);
  });
});

describe('a payload that is not JSON', () => {
  const any = schema((value) => value);

  it.each([
    ['nothing', '', /the text is not JSON/],
    ['half a value', '{"a":', /the text is not JSON/],
    ['two values', '1 2', /the text is not JSON/],
    ['a byte order mark', '\ufeff1', /the text is not JSON/],
    ['a bracket too many', '[]]', /the text is not JSON/],
    ['text that does not end', '"abc\\', /the text is not JSON/],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), /the JSON text is not UTF-8/],
  ])('%s', async (_name, json, message) => {
    const error = await refusal(any, json);
    expect(error.cause).toBeInstanceOf(MalformedError);
    expect(error.message).toMatch(message);
    expect(error.offset).toBe(0);
  });

  it('includes JSON deeper than 64 levels, without counting brackets in strings', async () => {
    const { left, right, to } = sides({ m: any });
    const heard: unknown[] = [];
    to.registerCallback('m', (value) => heard.push(value));
    const send = (json: string): Promise<void> =>
      left.sendRegistered('m', (writer) => {
        writer.write(new TextEncoder().encode(json));
      });
    await send('['.repeat(64) + ']'.repeat(64));
    await send(JSON.stringify(`\\"${'['.repeat(100)}`));
    await send(`[${'{},'.repeat(100)}[]]`);
    expect(right.errors).toEqual([]);
    expect(heard).toHaveLength(3);
    expect((await refusal(any, '['.repeat(65) + ']'.repeat(65))).message).toMatch(
      /the JSON value is nested deeper than 64 levels$/,
    );
    expect((await refusal(any, '{"a":'.repeat(20_000))).message).toMatch(/deeper than 64 levels$/);
  });

  it('is a TypeError or RangeError when sent', async () => {
    const { left, from } = sides({ m: any });
    const circle: { self?: unknown } = {};
    circle.self = circle;
    let deep: unknown = 1;
    for (let level = 0; level < 65; level += 1) deep = [deep];
    const send = (value: unknown): Promise<void> => from.sendRegistered('m', value);
    await expect(send(undefined)).rejects.toThrow(
      new TypeError("the payload of 'm': JSON cannot represent undefined"),
    );
    await expect(send(() => 1)).rejects.toThrow(/JSON cannot represent function/);
    await expect(send(1n)).rejects.toThrow(TypeError);
    await expect(send(circle)).rejects.toThrow(TypeError);
    await expect(send(deep)).rejects.toThrow(RangeError);
    expect(left.peer.received).toEqual([]);
  });
});
