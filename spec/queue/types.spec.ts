import { describe, expect, expectTypeOf, it } from 'vitest';
import type { K4netError } from '../../lib/errors.js';
import * as codec from '../../lib/codec/index.js';
import type { CloseMessage, QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import type { Payload, PayloadConstructor } from '../../lib/queue/call-types.js';
import type { Callback, CallbackContext } from '../../lib/queue/types.js';
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
