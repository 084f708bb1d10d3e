import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { K4netError, RemoteError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import type { CloseMessage, QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { Payload, PayloadConstructor } from '../../lib/queue/call-types.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { DeclaredError, ErrorCode, ErrorName } from '../../lib/queue/typed-types.js';
import { Group, type GroupMember, type GroupSendOptions } from '../../lib/queue/group.js';
import type { Callback, CallbackContext, QueueSocketLike, TypedQueue } from '../../lib/queue/types.js';
import { useFixture } from '../support/fixture.js';
import { until } from '../support/sockets.js';

const fixture = useFixture();
/** A function with such a result. */
type Returning<T> = () => T;

describe('the types of a QueueSocket', () => {
  it('accept a callback that returns a payload, nothing, or a promise of either, and no other', () => {
    expectTypeOf<Returning<Payload>>().toExtend<Callback>();
    expectTypeOf<Returning<ReturnType<() => void>>>().toExtend<Callback>();
    expectTypeOf<Returning<Promise<PayloadConstructor>>>().toExtend<Callback>();
    expectTypeOf<Returning<Promise<string | undefined>>>().toExtend<Callback>();
    expectTypeOf<Returning<Promise<ReturnType<() => void>>>>().toExtend<Callback>();
    expectTypeOf<Returning<number>>().not.toExtend<Callback>();
    expectTypeOf<Returning<null>>().not.toExtend<Callback>();
    expectTypeOf<Returning<Promise<number>>>().not.toExtend<Callback>();
  });

  it('accept any result of the typed callback of a message', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const messages = { said: codec.string };
    const said: string[] = [];
    far.typed(messages).registerCallback('said', (text) => said.push(text));
    await near.typed(messages).sendRegistered('said', 'hello');
    await until(() => said.length === 1);
    expect(said).toEqual(['hello']);
  });

  it('accept an onClose that returns a closing message, nothing, or a promise of either', () => {
    type OnClose = NonNullable<QueueSocketOptions['onClose']>;
    expectTypeOf<Parameters<OnClose>>().toEqualTypeOf<[K4netError | undefined]>();
    expectTypeOf<Returning<CloseMessage>>().toExtend<OnClose>();
    expectTypeOf<Returning<ReturnType<() => void>>>().toExtend<OnClose>();
    expectTypeOf<Returning<Promise<ReturnType<() => void>>>>().toExtend<OnClose>();
    expectTypeOf<Returning<Promise<string>>>().toExtend<OnClose>();
    expectTypeOf<Returning<number>>().not.toExtend<OnClose>();
  });

  it('declare the signal of a callback as the AbortSignal that it is', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const signals: unknown[] = [];
    far.registerCallback('x', (_, { signal }) => {
      signals.push(signal);
    });
    await near.sendRegistered('x');
    await near.call('x');
    expectTypeOf<CallbackContext['signal']>().toEqualTypeOf<AbortSignal>();
    expect(signals.length).toBe(2);
    for (const signal of signals) expect(signal).toBeInstanceOf(AbortSignal);
  });
});

describe('the types of declared errors', () => {
  const errors = {
    OUT_OF_STOCK: codec.struct({ left: codec.uint32 }),
    LATE: z.object({ until: z.string().transform(Number) }),
    GONE: codec.nothing,
  };
  const messages = {
    buy: codec.request(codec.uint32, codec.string, { errors }),
    put: codec.request(codec.string, codec.nothing, { body: codec.bytes, errors }),
    rows: codec.stream(codec.string, codec.uint32, { answer: codec.bool, errors: { GONE: codec.nothing } }),
    plain: codec.request(codec.uint32, codec.string),
    note: codec.string,
  };
  type M = typeof messages;
  type Nothing = ReturnType<() => void>;

  it('are those of the codecs and schemas of their codes', () => {
    expectTypeOf<ErrorName<M>>().toEqualTypeOf<'buy' | 'put' | 'rows'>();
    expectTypeOf<ErrorCode<M['rows']>>().toEqualTypeOf<'GONE'>();
    expectTypeOf<ErrorCode<M['plain']>>().toEqualTypeOf<never>();
    type Bought = DeclaredError<M['buy']>;
    expectTypeOf<Bought['remoteCode']>().toEqualTypeOf<'OUT_OF_STOCK' | 'LATE' | 'GONE'>();
    expectTypeOf<Bought['data']>().toEqualTypeOf<{ left: number } | { until: number } | Nothing>();
    expectTypeOf<RemoteError['data']>().toEqualTypeOf<unknown>();
    expectTypeOf<DeclaredError<M['buy']>>().toExtend<RemoteError>();
  });

  it('are narrowed by isError with a code, and without one by remoteCode', () => {
    const unrun = (queue: QueueSocket, error: unknown): unknown => {
      const api = queue.typed(messages);
      if (api.isError(error, 'buy', 'OUT_OF_STOCK')) {
        expectTypeOf(error.remoteCode).toEqualTypeOf<'OUT_OF_STOCK'>();
        expectTypeOf(error.data).toEqualTypeOf<{ left: number }>();
        expectTypeOf(error.remoteMessage).toEqualTypeOf<string>();
      } else if (api.isError(error, 'put')) {
        switch (error.remoteCode) {
          case 'OUT_OF_STOCK':
            return error.data.left;
          case 'LATE':
            expectTypeOf(error.data).toEqualTypeOf<{ until: number }>();
            return error.data.until;
          case 'GONE':
            expectTypeOf(error.data).toEqualTypeOf<Nothing>();
            // @ts-expect-error -- this code has no data
            return error.data.left as unknown;
        }
      } else if (api.isError(error, 'rows')) {
        expectTypeOf(error.remoteCode).toEqualTypeOf<'GONE'>();
        expectTypeOf(error.data).toEqualTypeOf<Nothing>();
      }
      // @ts-expect-error -- the request does not declare this code
      api.isError(error, 'rows', 'LATE');
      // @ts-expect-error -- the request declares no errors
      api.isError(error, 'plain');
      // @ts-expect-error -- a message has no answer and no errors
      api.isError(error, 'note');
      return undefined;
    };
    expect(unrun).toBeTypeOf('function');
  });

  it('leave the types of arguments, bodies, items and answers as they are', () => {
    const unrun = async (queue: QueueSocket): Promise<void> => {
      const api = queue.typed(messages);
      expectTypeOf(await api.call('buy', 1)).toEqualTypeOf<string>();
      await api.call('put', 'a', { body: [new Uint8Array(1)] });
      // @ts-expect-error -- the body is missing
      await api.call('put', 'a');
      const rows = api.stream('rows', 'a');
      for await (const row of rows) expectTypeOf(row).toEqualTypeOf<number>();
      expectTypeOf(await rows.answer).toEqualTypeOf<boolean>();
      // @ts-expect-error -- errors are codecs or schemas
      codec.request(codec.bool, codec.bool, { errors: { GONE: 1 } });
    };
    expect(unrun).toBeTypeOf('function');
  });
});

describe('the types of a group', () => {
  const messages = { said: codec.string, tick: codec.nothing, ask: codec.request(codec.string, codec.bool) };
  type Sender = Group<typeof messages>;

  it('are those of its messages, or a payload of any name', () => {
    expectTypeOf(new Group(messages)).toEqualTypeOf<Sender>();
    expectTypeOf(new Group()).toEqualTypeOf<Group>();
    expectTypeOf<GroupMember<typeof messages>>().toEqualTypeOf<TypedQueue<typeof messages>>();
    expectTypeOf<TypedQueue<{ other: typeof codec.string }>>().not.toExtend<GroupMember<typeof messages>>();
    expectTypeOf<QueueSocketLike>().not.toExtend<GroupMember<typeof messages>>();
    expectTypeOf<GroupMember>().toEqualTypeOf<QueueSocketLike>();
    expectTypeOf<Parameters<Group['send']>>().toEqualTypeOf<
      [name: string, payload?: Payload, options?: GroupSendOptions]
    >();
  });

  it('refuse a request, another name, and a wrong value', async () => {
    const { near } = await fixture.queuePair();
    const group: Sender = new Group(messages);
    const calls = (): unknown[] => [
      group.send('said', 'text', { except: near.typed(messages) }),
      group.send('tick'),
      group.send('tick', undefined, { except: [near.typed(messages)], slow: 'drop' }),
      // @ts-expect-error -- the value is missing
      group.send('said'),
      // @ts-expect-error -- the value has a wrong type
      group.send('said', 1),
      // @ts-expect-error -- only call can send a request
      group.send('ask', 'text'),
      // @ts-expect-error -- there is no such message
      group.send('other'),
      // @ts-expect-error -- not one of the three words
      group.send('tick', undefined, { slow: 'never' }),
      // @ts-expect-error -- a typed queue in a group without messages
      new Group().add(near.typed(messages)),
      // @ts-expect-error -- a number is no payload
      new Group().send('said', 1),
    ];
    expect(calls).toBeTypeOf('function');
  });

  it('of a typed trySendRegistered are those of the message', async () => {
    const { near } = await fixture.queuePair();
    const api = near.typed(messages);
    const calls = (): boolean[] => [
      api.trySendRegistered('said', 'text'),
      api.trySendRegistered('tick'),
      // @ts-expect-error -- the value is missing
      api.trySendRegistered('said'),
      // @ts-expect-error -- only call can send a request
      api.trySendRegistered('ask', 'text'),
    ];
    expect(calls).toBeTypeOf('function');
  });
});
