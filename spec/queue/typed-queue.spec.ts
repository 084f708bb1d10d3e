import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import { type MemoryContext, queuePair } from '../codec/memory-queue.js';
import { slowSchema } from '../codec/schemas.js';

const messages = {
  said: codec.struct({ who: codec.string, text: codec.string }),
  ping: codec.nothing,
  add: codec.request(codec.struct({ a: codec.int32, b: codec.int32 }), codec.int32),
  now: codec.request(codec.nothing, codec.int64),
};

function sides() {
  const [left, right] = queuePair();
  return { left, right, from: left.typed(messages), to: right.typed(messages) };
}

/** The reason of a rejected promise. */
async function reason(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error('it was not rejected'),
    (error: unknown) => error as Error,
  );
}

describe('typed messages', () => {
  it('arrive as values, with the context of the queue', async () => {
    const { right, from, to } = sides();
    const heard: unknown[] = [];
    const contexts: MemoryContext[] = [];
    to.registerCallback('said', (value, context) => {
      heard.push(value);
      contexts.push(context);
    });
    await from.sendRegistered('said', { who: 'a', text: 'b' });
    expect(heard).toEqual([{ who: 'a', text: 'b' }]);
    expect(contexts).toEqual([{ socket: right, name: 'said' }]);
    expect(right.received).toEqual([['said', Uint8Array.of(1, 0, 0, 0, 0x61, 1, 0, 0, 0, 0x62)]]);
  });

  it('without a value have no bytes', async () => {
    const { right, from, to } = sides();
    let pings = 0;
    to.registerCallback('ping', () => {
      pings += 1;
    });
    await from.sendRegistered('ping');
    await from.sendRegistered('ping', undefined);
    expect(pings).toBe(2);
    expect(right.received[0]).toEqual(['ping', new Uint8Array(0)]);
  });

  it('do not send the results of their callbacks, and stay synchronous', async () => {
    const { left, right, from, to } = sides();
    to.registerCallback('ping', () => 'secret');
    await from.sendRegistered('ping');
    to.registerCallback('ping', () => Promise.resolve('secret'));
    await from.sendRegistered('ping');
    expect(right.returned[0]).toBeUndefined();
    await expect(right.returned[1]).resolves.toBeUndefined();
    // A peer can call any name.
    const answer = await left.call('ping', () => undefined);
    expect(answer.length).toBe(0);
  });

  it('can be tasks, whose value is made each time', async () => {
    const { left, from, to } = sides();
    const heard: string[] = [];
    to.registerCallback('said', ({ text }) => heard.push(text));
    let count = 0;
    from.registerTask('said', () => ({ who: 'clock', text: String((count += 1)) }));
    await left.performTasks();
    await left.performTasks();
    from.removeTask('said');
    await left.performTasks();
    expect(heard).toEqual(['1', '2']);
  });

  it('can be removed', async () => {
    const { from, to } = sides();
    let pings = 0;
    to.registerCallback('ping', () => {
      pings += 1;
    });
    to.removeCallback('ping');
    await from.sendRegistered('ping');
    expect(pings).toBe(0);
  });
});

describe('typed requests', () => {
  it('are answered by synchronous and asynchronous callbacks', async () => {
    const { right, from, to } = sides();
    to.registerCallback('add', ({ a, b }) => a + b);
    expect(await from.call('add', { a: 2, b: -5 })).toBe(-3);
    expect(right.returned).toEqual([Uint8Array.of(0xfd, 0xff, 0xff, 0xff)]);
    to.registerCallback('now', () => Promise.resolve(7n));
    expect(await from.call('now')).toBe(7n);
  });

  it('pass options on unchanged', async () => {
    const { left, right, from, to } = sides();
    const options = { concurrency: 3 };
    to.registerCallback('add', ({ a }) => a, options);
    expect(right.options.get('add')).toBe(options);
    const waits = { timeout: 5 };
    await from.call('add', { a: 1, b: 1 }, waits);
    expect(left.options.get('add')).toBe(waits);
    const { signal } = new AbortController();
    await from.sendRegistered('ping', undefined, { signal });
    expect(left.options.get('ping')).toEqual({ signal });
  });

  it('fail at the callback when its result has a wrong type', async () => {
    const { right, from, to } = sides();
    to.registerCallback('add', () => 1.5);
    await expect(from.call('add', { a: 1, b: 1 })).rejects.toThrow('the callback failed');
    to.registerCallback('now', () => Promise.resolve('soon' as never));
    await expect(from.call('now')).rejects.toThrow('the callback failed');
    expect(right.errors).toEqual([
      new RangeError(
        "the answer of 'add': an int must be a whole number from -2147483648 to 2147483647, not 1.5",
      ),
      new TypeError("the answer of 'now': a longlong must be a bigint or a number, not string"),
    ]);
  });
});

describe('a payload that does not decode', () => {
  it('never reaches a callback, and is reported with its name and offset', async () => {
    const { left, right, to } = sides();
    to.registerCallback('said', () => {
      throw new Error('called');
    });
    await left.sendRegistered('said', (writer) => {
      writer.writeUint32(1);
      writer.write(Uint8Array.of(0x61, 9, 0, 0, 0, 0x62));
    });
    const [error] = right.errors as DecodeError[];
    expect(error).toBeInstanceOf(DecodeError);
    expect(error!.message).toBe(
      "the payload of 'said' does not decode at offset 9 (text): cannot read 9 bytes at offset 9: only 1 are left",
    );
    expect([error!.code, error!.messageName, error!.offset, error!.path]).toEqual([
      'K4NET_DECODE',
      'said',
      9,
      'text',
    ]);
  });

  it('fails its request on both sides', async () => {
    const { left, right, to } = sides();
    to.registerCallback('add', ({ a }) => a);
    const call = left.call('add', (writer) => {
      writer.writeUint32(1);
    });
    await expect(call).rejects.toThrow('the callback failed');
    expect(right.errors).toEqual([expect.objectContaining({ messageName: 'add', offset: 4, path: 'b' })]);
    expect((right.errors[0] as Error).message).toMatch(/^the argument of 'add' does not decode/);
  });

  it('rejects the call if it is the answer', async () => {
    const { right, from } = sides();
    right.registerCallback('add', () => Uint8Array.of(1, 2));
    const error = await reason(from.call('add', { a: 1, b: 1 }));
    expect(error).toBeInstanceOf(DecodeError);
    expect(error.message).toMatch(/^the answer of 'add' does not decode at offset 0/);
    right.registerCallback('add', () => Uint8Array.of(1, 2, 3, 4, 5));
    expect(await reason(from.call('add', { a: 1, b: 1 }))).toMatchObject({ messageName: 'add', offset: 4 });
  });
});

describe('wrong use of a typed queue', () => {
  it('sends nothing for a wrong value', async () => {
    const { right, from } = sides();
    const said = from.sendRegistered('said', { who: 'a', text: 5 as never });
    await expect(said).rejects.toThrow(
      new TypeError("the payload of 'said', text: text must be a string, not number"),
    );
    const add = from.call('add', { a: 2 ** 40, b: 1 });
    await expect(add).rejects.toThrow(RangeError);
    await expect(add).rejects.toThrow(/^the argument of 'add', a: /);
    expect(right.received).toEqual([]);
  });

  it.each(['toString', '__proto__', 'constructor', 'other', ''])(
    'with the name %j throws or rejects',
    async (name) => {
      const { from } = sides();
      // Casts to existing names. Two are needed because no name is both a message and a request.
      const wrong = name as 'ping';
      const asked = name as 'now';
      const message = `unknown message '${name}': the object that 'typed' got does not contain it`;
      expect(await reason(from.sendRegistered(wrong))).toEqual(new TypeError(message));
      expect(await reason(from.call(asked))).toEqual(new TypeError(message));
      expect(() => {
        from.registerCallback(wrong, () => undefined);
      }).toThrow(new TypeError(message));
      expect(() => {
        from.removeCallback(wrong);
      }).toThrow(new TypeError(message));
      expect(() => {
        from.registerTask(wrong, () => undefined);
      }).toThrow(new TypeError(message));
      expect(() => {
        from.removeTask(wrong);
      }).toThrow(new TypeError(message));
    },
  );

  it('throws or rejects for a request as a message, or the reverse', async () => {
    const { from, right } = sides();
    const request = new TypeError("'add' is a request, which only call can send");
    expect(await reason(from.sendRegistered('add' as never, { a: 1, b: 1 } as never))).toEqual(request);
    expect(() => {
      from.registerTask('add' as string as 'ping', () => undefined);
    }).toThrow(request);
    expect(() => {
      from.removeTask('add' as never);
    }).toThrow(request);
    const message = new TypeError("'ping' is a message, which has no answer");
    expect(await reason(from.call('ping' as string as 'now'))).toEqual(message);
    expect(() => {
      from.registerCallback('ping', 1 as never);
    }).toThrow(/a callback must be a function, not number/);
    expect(() => {
      from.registerTask('ping', null as never);
    }).toThrow(/a task must be a function, not null/);
    expect(right.received).toEqual([]);
  });

  it.each([
    ['no object', undefined, /messages must be an object of codecs, not undefined/],
    ['an array', [codec.bool], /not an array/],
    ['a number', { a: 1 }, /the payload of 'a' must be a codec or a schema, not number/],
    [
      'half a codec',
      { a: { encode: () => undefined } },
      /the payload of 'a' must be a codec or a schema, not Object/,
    ],
    [
      'half a schema',
      { a: { '~standard': { version: 1 } } },
      /the payload of 'a' must be a codec or a schema/,
    ],
    [
      'half a request',
      { a: { argument: codec.bool, answer: 1 } },
      /the answer of 'a' must be a codec or a schema/,
    ],
    [
      'a request without argument',
      { a: { argument: null, answer: codec.bool } },
      /argument of 'a' .* not null/,
    ],
  ])('throws for a definition that is %s', (_name, definition, message) => {
    const [queue] = queuePair();
    const make = (): unknown => queue.typed(definition as never);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
  });
});

describe('a promise of a library', () => {
  it('works like a promise of the language', async () => {
    const { from, to } = sides();
    const later = <T>(value: T): PromiseLike<T> => {
      const promise = Promise.resolve(value);
      return { then: (resolve, reject) => promise.then(resolve, reject) };
    };
    to.registerCallback('add', ({ a, b }) => later(a * b));
    expect(await from.call('add', { a: 6, b: 7 })).toBe(42);
  });

  it('is not awaited if it is the value of a schema', async () => {
    const [left, right] = queuePair();
    const odd = { m: slowSchema<string, { then: string }>(() => ({ then: 'a word' })) };
    const heard: unknown[] = [];
    right.typed(odd).registerCallback('m', (value) => heard.push(value));
    await left.typed(odd).sendRegistered('m', 'x');
    expect(heard).toEqual([{ then: 'a word' }]);
  });
});
