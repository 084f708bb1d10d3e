import { describe, expect, expectTypeOf, it } from 'vitest';
import type { K4netError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import type { CloseMessage, QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { Payload, PayloadConstructor } from '../../lib/queue/call-types.js';
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
