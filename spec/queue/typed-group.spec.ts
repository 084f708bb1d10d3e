import { describe, expect, it } from 'vitest';
import * as codec from '../../lib/codec/index.js';
import { Group } from '../../lib/queue/group.js';
import type { TypedQueue } from '../../lib/queue/types.js';
import { useFixture } from '../support/fixture.js';
import { fill, reasonOf, until } from '../support/sockets.js';

const fixture = useFixture();

const messages = {
  said: codec.struct({ name: codec.string, text: codec.string }),
  tick: codec.nothing,
  ask: codec.request(codec.string, codec.string),
  rows: codec.stream(codec.string, codec.string),
};
type Remote = TypedQueue<typeof messages>;

/** A typed queue, and the values that its peer gets. */
async function typedPair(): Promise<{ api: Remote; heard: unknown[] }> {
  const { near, far } = await fixture.startedQueuePair();
  const heard: unknown[] = [];
  const remote = far.typed(messages);
  remote.registerCallback('said', (value) => void heard.push(value));
  remote.registerCallback('tick', () => void heard.push('tick'));
  return { api: near.typed(messages), heard };
}

describe('a group with messages', () => {
  it('sends values to its typed queues, except to some', async () => {
    const group = new Group<typeof messages>(messages);
    const [a, b] = [await typedPair(), await typedPair()];
    group.add(a.api).add(b.api);
    const said = { name: 'Ada', text: 'hello' };
    expect(await group.send('said', said)).toBe(2);
    expect(await group.send('tick')).toBe(2);
    expect(await group.send('said', said, { except: a.api, slow: 'close' })).toBe(1);
    expect(await group.send('tick', undefined, { except: group })).toBe(0);
    await until(() => b.heard.length === 3);
    expect([a.heard, b.heard]).toEqual([
      [said, 'tick'],
      [said, 'tick', said],
    ]);
  });

  it('yields the typed queues as they were added, and takes those of one socket as one member', async () => {
    const { near } = await fixture.queuePair();
    const [one, same] = [near.typed(messages), near.typed(messages)];
    const group = new Group(messages).add(one).add(same);
    expect([...group]).toEqual([one]);
    expect([...group][0]).toBe(one);
    expect([group.has(same), group.delete(same), group.size]).toEqual([true, true, 0]);
  });

  it('loses a member whose socket closes', async () => {
    const { api } = await typedPair();
    const group = new Group(messages).add(api);
    const closed = api.close();
    expect(group.size).toBe(0);
    await closed;
  });

  it('rejects for a wrong name and a wrong value, and then sends nothing', async () => {
    const { api } = await typedPair();
    const group = new Group(messages).add(api);
    const send = group.send.bind(group) as (name: string, value?: unknown) => Promise<number>;
    const wrong: [reason: RegExp, sent: Promise<unknown>][] = [
      [/unknown message 'other'/, send('other')],
      [/'ask' is a request, which only call can send/, send('ask', 'x')],
      [/'rows' is a request/, send('rows', 'x')],
      [/the payload of 'said', name: /, send('said', { name: 5, text: '' })],
      [/'toString'/, send('toString')],
    ];
    for (const [reason, sent] of wrong) {
      const error = await reasonOf(sent);
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(reason);
    }
    expect(api.stats().messagesSent).toBe(0);
  });

  it('takes only typed queues, and a group without messages only queue sockets', async () => {
    const { near } = await fixture.queuePair();
    expect(() => new Group(messages).add(near as never)).toThrow(/must be a TypedQueue, not /);
    expect(() => new Group().add(near.typed(messages) as never)).toThrow(/must be a QueueSocket, not /);
    expect(() => new Group({ said: 5 } as never)).toThrow(TypeError);
  });
});

describe('trySendRegistered of a typed queue', () => {
  it('sends a value, and returns false while a sender has to wait', async () => {
    const { api, heard } = await typedPair();
    expect([
      api.trySendRegistered('said', { name: 'Ada', text: 'x' }),
      api.trySendRegistered('tick'),
    ]).toEqual([true, true]);
    await until(() => heard.length === 2);
    expect(heard).toEqual([{ name: 'Ada', text: 'x' }, 'tick']);

    const { near } = await fixture.queuePair();
    await fill(near);
    expect(near.typed(messages).trySendRegistered('tick')).toBe(false);
  });

  it('throws for a wrong name and a wrong value', async () => {
    const { api } = await typedPair();
    const trySend = api.trySendRegistered.bind(api) as (name: string, value?: unknown) => boolean;
    expect(() => trySend('ask', 'x')).toThrow(/is a request/);
    expect(() => trySend('said', 5)).toThrow(/the payload of 'said'/);
    await api.close();
    expect(() => trySend('said', 5)).toThrow(/the payload of 'said'/);
    expect(api.trySendRegistered('tick')).toBe(false);
  });
});
