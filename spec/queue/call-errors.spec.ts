import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { BinaryWriter } from '../../lib/binary/writer.js';
import { CallError } from '../../lib/codec/call-error.js';
import * as codec from '../../lib/codec/index.js';
import { DecodeError, K4netError, RemoteError, TimeoutError } from '../../lib/errors.js';
import { encodeFailure } from '../../lib/queue/envelope.js';
import { socketKinds, useFixture, type QueuePairOptions } from '../support/fixture.js';
import { bytesOf, encodeRequest, ErrorLog, hex, joined, recvControl, textIn } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { failureOf, reasonOf, textOf, until } from '../support/sockets.js';

const none = new Uint8Array(0);

const declared = {
  OUT_OF_STOCK: codec.struct({ left: codec.uint32 }),
  GONE: codec.nothing,
  LATE: z.object({ until: z.string().refine((text) => Promise.resolve(text !== 'never')) }),
};
const messages = {
  buy: codec.request(codec.uint32, codec.nothing, { errors: declared }),
  put: codec.request(codec.nothing, codec.nothing, { body: codec.uint32, errors: declared }),
  rows: codec.stream(codec.uint32, codec.uint32, { errors: declared }),
  plain: codec.request(codec.uint32, codec.nothing),
  note: codec.string,
};

const outOfStock = (): CallError => new CallError('OUT_OF_STOCK', 'only 3 are left', { left: 3 });

const write7 = (writer: BinaryWriter): void => {
  writer.writeUint(7);
};

/** The bytes of a failure with data. */
function failureWith(id: number, code: string, text: string, data: Uint8Array): Uint8Array {
  const bytes = encodeFailure(id, code, text);
  return joined({ bytes, length: bytes.length }, data);
}

describe('a CallError', () => {
  it('has a code, a message and data', () => {
    const data = { left: 3 };
    const error = new CallError('OUT_OF_STOCK', 'only 3 are left', data);
    expect([error.name, error.code, error.message]).toEqual(['CallError', 'OUT_OF_STOCK', 'only 3 are left']);
    expect(error.data).toBe(data);
    expect(error).toBeInstanceOf(Error);
    expect(K4netError.is(error)).toBe(false);
    expect(new CallError('X', '').data).toBeUndefined();
  });

  it.each(['', 'ä', 'a\nb', 'c'.repeat(256)])('cannot have the code %j', (code) => {
    expect(() => new CallError(code, '')).toThrow(RangeError);
    expect(() => codec.request(codec.bool, codec.bool, { errors: { [code]: codec.bool } })).toThrow(
      RangeError,
    );
  });

  it.each([undefined, null, 5, {}])('must have a code that is a string, not %o', (code) => {
    expect(() => new CallError(code as never, '')).toThrow(TypeError);
  });

  it.each([null, 5, 'X', [codec.bool], { X: 1 }])('cannot be declared by %o', (errors) => {
    expect(() => codec.request(codec.bool, codec.bool, { errors: errors as never })).toThrow(TypeError);
    expect(() => codec.stream(codec.bool, codec.bool, { errors: errors as never })).toThrow(TypeError);
  });
});

describe.each(socketKinds)('QueueSocket, %s: a callback that throws a CallError', (carrier) => {
  const fixture = useFixture(carrier);

  async function pair(options?: QueuePairOptions) {
    const log = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: log, ...options });
    return { near, far, log, client: near.typed(messages), server: far.typed(messages) };
  }

  it('rejects the call with its code, message and data, and is not reported', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const thrown: Record<string, readonly [data: unknown, bytes?: Uint8Array]> = {
      bytes: [Uint8Array.of(1, 0, 255), Uint8Array.of(1, 0, 255)],
      text: ['grüße', bytesOf('grüße')],
      'a constructor': [write7, Uint8Array.of(7, 0, 0, 0)],
      nothing: [undefined],
      'no bytes': [none],
      much: [new Uint8Array(100_000).fill(5), new Uint8Array(100_000).fill(5)],
    };
    for (const [name, [data, bytes]] of Object.entries(thrown)) {
      far.registerCallback(name, () => {
        throw new CallError('E_OWN', 'own words', data);
      });
      far.registerCallback(`${name} later`, async () => {
        await turns();
        throw new CallError('E_OWN', 'own words', data);
      });
      for (const each of [name, `${name} later`]) {
        const error = await failureOf(near.call(each), RemoteError);
        expect([error.callback, error.remoteCode, error.remoteMessage]).toEqual([each, 'E_OWN', 'own words']);
        expect(error.data).toEqual(bytes);
      }
    }
    expect(far.stats()).toMatchObject({ callbacksFailed: 0, requestsInFlight: 0 });
  });

  it('is decoded by the codec of its code, and isError narrows to it', async () => {
    const { client, server, log } = await pair();
    server.registerCallback('buy', (count) => {
      if (count === 1) throw outOfStock();
      if (count === 2) return Promise.reject(outOfStock());
      if (count === 3) throw new CallError('GONE', 'sold');
      throw new CallError('LATE', '', { until: 'noon' });
    });
    for (const count of [1, 2]) {
      const error = await reasonOf(client.call('buy', count));
      if (!client.isError(error, 'buy', 'OUT_OF_STOCK')) return expect.fail(String(error));
      expect([error.data, error.remoteMessage]).toEqual([{ left: 3 }, 'only 3 are left']);
      expect(client.isError(error, 'buy')).toBe(true);
      expect(client.isError(error, 'buy', 'GONE')).toBe(false);
      expect(client.isError(error, 'rows', 'OUT_OF_STOCK')).toBe(false);
    }
    const gone = await reasonOf(client.call('buy', 3));
    expect(client.isError(gone, 'buy', 'GONE')).toBe(true);
    const late = await reasonOf(client.call('buy', 4));
    expect(client.isError(late, 'buy', 'LATE') && late.data.until).toBe('noon');
    expect(log.entries).toEqual([]);
    return undefined;
  });

  it('after items ends the loop and the answer with its data', async () => {
    const { client, server, log } = await pair();
    server.registerCallback('rows', async function* (from) {
      yield await Promise.resolve(from);
      throw outOfStock();
    });
    const rows = client.stream('rows', 7);
    const seen: number[] = [];
    const error = await reasonOf(
      (async () => {
        for await (const row of rows) seen.push(row);
      })(),
    );
    expect(seen).toEqual([7]);
    expect(client.isError(error, 'rows', 'OUT_OF_STOCK') && error.data.left).toBe(3);
    expect(await reasonOf(rows.answer)).toBe(error);
    expect(log.entries).toEqual([]);
  });

  it('while it reads a body rejects the call with its data', async () => {
    const { client, server, log } = await pair();
    server.registerCallback('put', async (_, { body }) => {
      for await (const left of body) throw new CallError('OUT_OF_STOCK', '', { left });
    });
    const error = await reasonOf(client.call('put', undefined, { body: [9, 8] }));
    expect(client.isError(error, 'put', 'OUT_OF_STOCK') && error.data.left).toBe(9);
    expect(log.entries).toEqual([]);
  });

  it('with data that does not encode is reported, and the caller gets its code and message', async () => {
    const { near, far, client, server, log } = await pair();
    const wrong: [name: 'buy' | 'plain', thrown: CallError, report: RegExp][] = [
      [
        'buy',
        new CallError('OUT_OF_STOCK', 'why', { left: -1 }),
        /^the data of the error 'OUT_OF_STOCK' of 'buy', left: /,
      ],
      ['buy', new CallError('OUT_OF_STOCK', 'why'), /^the data of the error 'OUT_OF_STOCK' of 'buy'/],
      ['buy', new CallError('OTHER', 'why', 'data'), /do not declare 'OTHER'/],
      ['plain', new CallError('OTHER', 'why', 'data'), /do not declare 'OTHER'/],
    ];
    for (const [name, thrown, report] of wrong) {
      server.registerCallback(name, () => {
        throw thrown;
      });
      const error = await failureOf(client.call(name as 'buy', 1), RemoteError);
      expect([error.remoteCode, error.remoteMessage, error.data]).toEqual([thrown.code, 'why', undefined]);
      expect(client.isError(error, 'buy')).toBe(false);
      expect(log.kinds.pop()).toBe(`request ${name}`);
      expect((log.entries.at(-1)?.error as Error).message).toMatch(report);
    }
    far.registerCallback('bytes', () => {
      throw new CallError('E', 'why', { no: 'payload' });
    });
    const error = await failureOf(near.call('bytes'), RemoteError);
    expect([error.remoteCode, error.data]).toEqual(['E', undefined]);
    expect(log.entries.at(-1)?.error).toBeInstanceOf(TypeError);
    expect(far.stats().callbacksFailed).toBe(5);
  });
});

describe('a failure with data', () => {
  const fixture = useFixture();

  async function caller() {
    const log = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer(log);
    queue.start();
    return { queue, peer, log, client: queue.typed(messages) };
  }

  it('has fixed bytes', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    queue.registerCallback('x', () => {
      throw new CallError('E1', 'ä', Uint8Array.of(7, 8));
    });
    queue.start();
    void peer.send(encodeRequest(9, 'x', none));
    expect(await peer.recv()).toEqual(hex('00 4b 51 03 09000000 02 4531 0200 c3a4 0708'));
  });

  it('that does not decode rejects its call with the DecodeError, and no other', async () => {
    const { peer, client, log } = await caller();
    const calls = [client.call('buy', 1), client.call('buy', 1), client.call('buy', 1)];
    for (const id of [1, 2, 3]) expect(await recvControl(peer)).toMatchObject({ id });
    void peer.send(failureWith(1, 'OUT_OF_STOCK', 'why', hex('01')));
    void peer.send(failureWith(2, 'LATE', 'why', bytesOf('{"until":"never"}')));
    void peer.send(failureWith(3, 'OUT_OF_STOCK', 'why', hex('03000000')));
    const [one, two, three] = await Promise.all(calls.map(reasonOf));
    expect(one).toBeInstanceOf(DecodeError);
    expect(one).toMatchObject({ messageName: 'buy', path: 'left' });
    expect(two).toBeInstanceOf(DecodeError);
    expect(client.isError(one, 'buy')).toBe(false);
    expect(client.isError(three, 'buy', 'OUT_OF_STOCK') && three.data.left).toBe(3);
    expect(log.entries).toEqual([]);
  });

  it('of an undeclared code, or without data for its codec, gives no data to a typed call', async () => {
    const { peer, client } = await caller();
    const failures = [
      failureWith(1, 'OTHER', 'why', hex('01')),
      failureWith(2, 'OUT_OF_STOCK', 'why', none),
      failureWith(3, 'LATE', 'why', none),
      failureWith(4, '__proto__', 'why', hex('01')),
    ];
    for (const failure of failures) {
      const call = client.call('buy', 1);
      await recvControl(peer);
      void peer.send(failure);
      const error = await failureOf(call, RemoteError);
      expect([error.remoteMessage, error.data]).toEqual(['why', undefined]);
      expect(client.isError(error, 'buy')).toBe(false);
    }
  });

  it('is copied, and a print of the error does not contain it', async () => {
    const { queue, peer } = await caller();
    const call = queue.call('x');
    await recvControl(peer);
    void peer.send(failureWith(1, 'E', 'why', bytesOf('secret')));
    const error = await failureOf(call, RemoteError);
    const data = error.data as Uint8Array;
    expect(textOf(data)).toBe('secret');
    expect(data.buffer.byteLength).toBe(6);
    expect(Object.keys(error)).not.toContain('data');
    expect(inspect(error)).not.toContain(inspect(data));
  });

  it('has no effect for a call that has ended', async () => {
    const { queue, peer, log } = await caller();
    void peer.send(failureWith(9, 'E', 'why', bytesOf('data')));
    const call = queue.call('x', '', { timeout: 10 });
    await failureOf(call, TimeoutError);
    void peer.send(failureWith(1, 'E', 'late', bytesOf('data')));
    void peer.send('after');
    expect(textOf(await queue.recv())).toBe('after');
    expect(log.entries).toEqual([]);
  });
});

describe('a CallError', () => {
  const fixture = useFixture();

  it('thrown by the callback of a message is reported like another error', async () => {
    const log = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: log });
    const thrown = outOfStock();
    far.typed(messages).registerCallback('note', () => {
      throw thrown;
    });
    await near.typed(messages).sendRegistered('note', 'x');
    // A peer can also call the name of a message.
    const error = await failureOf(near.call('note', codec.encode(codec.string, 'x')), RemoteError);
    expect([error.remoteCode, error.data]).toEqual(['OUT_OF_STOCK', undefined]);
    expect(log.kinds).toEqual(['message note', 'request note']);
    expect(log.entries[0]?.error).toBe(thrown);
    expect(far.stats().callbacksFailed).toBe(2);
  });

  it('alone carries data: another error with a declared code has none', async () => {
    const log = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: log });
    const client = near.typed(messages);
    let code = 'OUT_OF_STOCK';
    far.typed(messages).registerCallback('buy', () => {
      throw Object.assign(new Error('broken'), { code, data: { left: 3 } });
    });
    const error = await failureOf(client.call('buy', 1), RemoteError);
    expect([error.remoteCode, error.data, client.isError(error, 'buy')]).toEqual([code, undefined, false]);
    code = 'GONE';
    expect(client.isError(await reasonOf(client.call('buy', 1)), 'buy', 'GONE')).toBe(true);
    expect(log.kinds).toEqual(['request buy', 'request buy']);
  });

  it('keeps the codec of its callback after the callback was replaced', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const [client, server] = [near.typed(messages), far.typed(messages)];
    server.registerCallback('buy', async () => {
      server.removeCallback('buy');
      await turns();
      throw outOfStock();
    });
    expect(client.isError(await reasonOf(client.call('buy', 1)), 'buy', 'OUT_OF_STOCK')).toBe(true);
  });

  it('of a cancelled call is ignored', async () => {
    const log = new ErrorLog();
    const { near, far } = await fixture.startedQueuePair({ far: log });
    far.registerCallback('x', async (_, { signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      throw new CallError('E', 'late', { no: 'payload' });
    });
    await reasonOf(near.call('x', '', { timeout: 10 }));
    far.registerCallback('y', () => 'next');
    expect(textIn(await near.call('y'))).toBe('next');
    expect(far.stats().requestsInFlight).toBe(0);
    expect(log.entries).toEqual([]);
  });

  it('of an ordered callback reaches the caller, also after an asynchronous authorization', async () => {
    for (const far of [{}, { authorizeCall: () => Promise.resolve(true) }]) {
      const pair = await fixture.startedQueuePair({ far });
      const [client, server] = [pair.near.typed(messages), pair.far.typed(messages)];
      server.registerCallback(
        'buy',
        () => {
          throw outOfStock();
        },
        { ordered: true },
      );
      const error = await reasonOf(client.call('buy', 1));
      expect(client.isError(error, 'buy', 'OUT_OF_STOCK') && error.data.left).toBe(3);
    }
  });

  it('reaches the caller with manual dispatch too', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    const [client, server] = [near.typed(messages), far.typed(messages)];
    server.registerCallback('buy', () => {
      throw outOfStock();
    });
    const call = reasonOf(client.call('buy', 1));
    await until(() => far.stats().requestsInFlight === 1);
    expect(await far.recvRegistered()).toBe(1);
    expect(client.isError(await call, 'buy', 'OUT_OF_STOCK')).toBe(true);
  });
});

describe('isError', () => {
  const fixture = useFixture();

  it('throws for a name or a code that is not declared, and is false for any other value', async () => {
    const { near } = await fixture.startedQueuePair();
    const client = near.typed(messages);
    expect(() => client.isError(undefined, 'plain' as never)).toThrow("'plain' declares no errors");
    expect(() => client.isError(undefined, 'note' as never)).toThrow(TypeError);
    expect(() => client.isError(undefined, 'other' as never)).toThrow(TypeError);
    expect(() => client.isError(undefined, 'buy', 'X' as never)).toThrow("'buy' declares no error 'X'");
    const alike = new RemoteError('buy', 'OUT_OF_STOCK', '', { left: 3 });
    for (const value of [undefined, null, 5, 'buy', {}, new Error('x'), alike])
      expect(client.isError(value, 'buy')).toBe(false);
  });
});
