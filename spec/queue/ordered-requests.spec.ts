// Requests that run in the order of the messages: `registerCallback(name, fn, { ordered: true })`.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import { encodeCancel } from '../../lib/queue/envelope.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import { Deferred } from '../../lib/util/wait.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { encodeRequest, recvControl, registered, textIn } from '../support/queue.js';
import { turns } from '../support/recorder.js';
import { failure, textOf, until, watch } from '../support/sockets.js';

const ordered = { ordered: true };
const none = new Uint8Array(0);

/** Registers `slow` messages, which end with the gate, and `quick` messages and requests. */
function register(queue: QueueSocket, gate: Promise<void>): string[] {
  const seen: string[] = [];
  const note = (text: string): void => void seen.push(text);
  queue.registerCallback('slow', async (reader) => {
    note(`${textIn(reader)} starts`);
    await gate;
    note('slow ends');
  });
  queue.registerCallback('quick', (reader) => {
    note(textIn(reader));
  });
  queue.registerCallback(
    'end',
    (reader) => {
      note(textIn(reader));
      return 'ended';
    },
    ordered,
  );
  queue.registerCallback('now', (reader) => {
    note(textIn(reader));
    return 'at once';
  });
  return seen;
}

describe.each(socketKinds)('an ordered callback, %s', (kind) => {
  const fixture = useFixture(kind);

  it('runs a request after the messages before it, and before the messages after it', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    const seen = register(far, gate.promise);
    void near.sendRegistered('slow', 'slow');
    void near.sendRegistered('quick', 'before');
    const end = near.call('end', 'end');
    void near.sendRegistered('quick', 'after');
    expect(textOf((await near.call('now', 'unordered')).read())).toBe('at once');
    expect(seen).toEqual(['slow starts', 'unordered']);
    gate.resolve();
    expect(textOf((await end).read())).toBe('ended');
    await until(() => seen.length === 6);
    expect(seen).toEqual(['slow starts', 'unordered', 'slow ends', 'before', 'end', 'after']);
  });

  it('keeps the messages after an asynchronous request waiting until it ends', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    const seen = register(far, Promise.resolve());
    far.registerCallback(
      'long',
      async () => {
        seen.push('long starts');
        await gate.promise;
        seen.push('long ends');
      },
      ordered,
    );
    const long = near.call('long');
    void near.sendRegistered('quick', 'message');
    const end = near.call('end', 'end');
    await near.call('now', 'unordered');
    expect(seen).toEqual(['long starts', 'unordered']);
    gate.resolve();
    await Promise.all([long, end]);
    expect(seen).toEqual(['long starts', 'unordered', 'long ends', 'message', 'end']);
  });

  it('starts a streaming call in order, and does not delay messages until its end', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { maxQueuedMessages: 10 } });
    const gate = new Deferred<void>();
    const seen = register(far, gate.promise);
    far.registerCallback(
      'rows',
      async function* (_, { body }) {
        seen.push('rows starts');
        yield 'first';
        let count = 0;
        for await (const item of body) count += item.remaining;
        return `${count}`;
      },
      ordered,
    );
    void near.sendRegistered('slow', 'slow');
    const more = new Deferred<void>();
    const rows = near.stream('rows', '', {
      body: (async function* () {
        yield 'ab';
        await more.promise;
        yield 'cde';
      })(),
    });
    // More messages than the queue holds: the items of the body follow them.
    for (let i = 0; i < 50; i += 1) void near.sendRegistered('quick', `${i}`);
    await until(() => seen.length === 1);
    await turns(5);
    expect(seen).toEqual(['slow starts']);
    gate.resolve();
    await until(() => seen.length === 53);
    expect(seen.slice(0, 4)).toEqual(['slow starts', 'slow ends', 'rows starts', '0']);
    more.resolve();
    const items: string[] = [];
    for await (const row of rows) items.push(textIn(row));
    expect(items).toEqual(['first']);
    expect(textOf((await rows.answer).read())).toBe('5');
    expect(far.stats()).toMatchObject({ streams: 0, requestsInFlight: 0, requestQueue: { messages: 0 } });
  });

  it('lets drain wait for its requests and streams', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    const last = new Deferred<void>();
    const seen = register(far, gate.promise);
    far.registerCallback(
      'late',
      async function* () {
        yield 'item';
        await last.promise;
        yield 'last';
      },
      ordered,
    );
    const late = near.stream('late');
    expect(textIn((await late.next()).value ?? expect.fail())).toBe('item');
    void near.sendRegistered('slow', 'slow');
    const end = near.call('end', 'end');
    await until(() => far.stats().requestsInFlight === 2);
    const drained = far.drain();
    const watched = watch(drained);
    gate.resolve();
    expect(textOf((await end).read())).toBe('ended');
    await turns(5);
    expect(watched.state).toBe('pending');
    last.resolve();
    expect(textIn((await late.next()).value ?? expect.fail())).toBe('last');
    expect((await late.next()).done).toBe(true);
    await drained;
    expect(seen).toEqual(['slow starts', 'slow ends', 'end']);
  });
});

describe('an ordered callback', () => {
  const fixture = useFixture();

  it('excludes a concurrency, and the error quotes both', async () => {
    const { near } = await fixture.queuePair();
    const register = (): void => {
      near.registerCallback('both', () => undefined, { ordered: true, concurrency: 3 });
    };
    expect(register).toThrow(TypeError);
    expect(register).toThrow("'ordered' and 'concurrency' (3) exclude each other");
  });

  it('starts requests up to the concurrency of messages', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { concurrency: 2 } });
    const gate = new Deferred<void>();
    const seen = register(far, gate.promise);
    void near.sendRegistered('slow', 'slow');
    await near.call('end', 'end');
    expect(seen).toEqual(['slow starts', 'end']);
    gate.resolve();
  });

  it('sorts waiting requests and messages by priority, in order within each priority', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    const seen = register(far, gate.promise);
    far.registerCallback('first', (reader) => void seen.push(textIn(reader)), { ordered: true, priority: 1 });
    void near.sendRegistered('slow', 'slow');
    await until(() => seen.length === 1);
    void near.sendRegistered('quick', 'quick');
    const calls = [near.call('end', 'end'), near.call('first', 'first 1')];
    void near.sendRegistered('first', 'first 2');
    await until(() => far.stats().requestsInFlight === 2 && far.stats().callbackQueue.messages === 2);
    gate.resolve();
    await Promise.all(calls);
    expect(seen).toEqual(['slow starts', 'slow ends', 'first 1', 'first 2', 'quick', 'end']);
  });

  it('keeps the order of its waiting requests when it is replaced, and refuses them when it is removed', async () => {
    const { near, far } = await fixture.startedQueuePair();
    const gate = new Deferred<void>();
    const seen = register(far, gate.promise);
    void near.sendRegistered('slow', 'slow');
    const replaced = near.call('end', 'end');
    void near.sendRegistered('quick', 'quick');
    await until(() => far.stats().callbackQueue.messages === 1);
    far.registerCallback('end', () => void seen.push('the new callback'));
    gate.resolve();
    await replaced;
    await until(() => seen.length === 4);
    expect(seen).toEqual(['slow starts', 'slow ends', 'the new callback', 'quick']);
    // The queue of messages has stayed in use.
    far.registerCallback('end', () => void seen.push('ordered again'), ordered);
    far.removeCallback('end');
    await failure(near.call('end'), 'K4NET_REMOTE');
    void near.sendRegistered('quick', 'last');
    await until(() => seen.length === 5);
    await far.drain();
    expect(seen.at(-1)).toBe('last');
  });

  it('drops a waiting request that its caller cancels, and runs the messages behind it', async () => {
    const { queue, peer } = await fixture.queueWithPeer();
    const gate = new Deferred<void>();
    const seen = register(queue, gate.promise);
    queue.start();
    await peer.send(registered('slow', 'slow'));
    await peer.send(encodeRequest(1, 'end', none));
    await peer.send(registered('quick', 'quick'));
    await peer.send(encodeCancel(1));
    await until(() => queue.stats().requestsInFlight === 0 && queue.stats().callbackQueue.messages === 1);
    gate.resolve();
    await until(() => seen.length === 3);
    expect(seen).toEqual(['slow starts', 'slow ends', 'quick']);
  });

  it('keeps the order of arrival with manual dispatch', async () => {
    const { near, far } = await fixture.startedQueuePair({ far: { dispatch: 'manual' } });
    const seen = register(far, Promise.resolve());
    void near.sendRegistered('slow', 'slow');
    const end = near.call('end', 'end');
    void near.sendRegistered('quick', 'after');
    await until(() => far.stats().callbackQueue.messages === 2);
    expect(await far.recvRegistered()).toBe(3);
    await end;
    expect(seen).toEqual(['slow starts', 'slow ends', 'end', 'after']);
  });
});

describe('messages, requests and streaming calls in any sequence', () => {
  const fixture = useFixture();
  const step = fc.record({
    kind: fc.constantFrom('message', 'ordered', 'unordered', 'stream'),
    /** Turns until the callback ends; 0 for a callback that is not asynchronous. */
    turns: fc.nat(2),
    /** Turns until the next one is sent. */
    pause: fc.constantFrom(0, 0, 0, 1),
  });
  /** Turns of one authorization after another; 0 for one that is not asynchronous. */
  const authorizations = fc.array(fc.nat(2), { maxLength: 3 });

  it('start in the order in which they were sent if they are ordered, each after the end of the one before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), authorizations, async (steps, delays) => {
        let asked = 0;
        const authorizeCall = (): true | Promise<true> => {
          const delay = delays[(asked += 1) % delays.length] ?? 0;
          return delay === 0 ? true : turns(delay).then(() => true);
        };
        const far = delays.length > 0 ? { authorizeCall } : {};
        const { near, far: other } = await fixture.startedQueuePair({ far });
        const seen: string[] = [];
        let unordered = 0;
        const callback = (reader: BinaryReader): Promise<void> | undefined => {
          const [index = '', count] = textIn(reader).split(' ');
          seen.push(`${index} starts`);
          if (count === '0') {
            seen.push(`${index} ends`);
            return undefined;
          }
          return turns(Number(count)).then(() => void seen.push(`${index} ends`));
        };
        other.registerCallback('message', callback);
        other.registerCallback('ordered', callback, ordered);
        other.registerCallback('unordered', () => void (unordered += 1));
        other.registerCallback(
          'stream',
          async function* (reader) {
            seen.push(`${textIn(reader).split(' ')[0] ?? ''} starts`);
            yield await turns().then(() => '');
          },
          ordered,
        );
        const calls: Promise<unknown>[] = [];
        const expected: string[] = [];
        for (const [index, { kind, turns: count, pause }] of steps.entries()) {
          const payload = `${index} ${count}`;
          if (kind === 'message') void near.sendRegistered(kind, payload);
          else calls.push(kind === 'stream' ? near.stream(kind, payload).answer : near.call(kind, payload));
          if (kind !== 'unordered') expected.push(`${index} starts`);
          if (kind === 'message' || kind === 'ordered') expected.push(`${index} ends`);
          await turns(pause);
        }
        await Promise.all(calls);
        await near.drain();
        await other.closed;
        expect(seen).toEqual(expected);
        expect(unordered).toBe(steps.filter(({ kind }) => kind === 'unordered').length);
      }),
      { numRuns: 100 },
    );
  });
});

describe('an ordered callback that awaits a call back to its own side', () => {
  const fixture = useFixture();

  it('waits until the timeout of that call, which is ordered too, and later calls work', async () => {
    const { near, far } = await fixture.startedQueuePair();
    far.registerCallback('inner', () => 'answer', ordered);
    far.registerCallback('outer', async () => (await far.call('middle')).read(), ordered);
    near.registerCallback('middle', async () => {
      await failure(near.call('inner', '', { timeout: 20 }), 'K4NET_TIMEOUT');
      return 'too late';
    });
    expect(textIn(await near.call('outer'))).toBe('too late');
    expect(textIn(await near.call('inner'))).toBe('answer');
  });
});

describe('the answers of an ordered callback', () => {
  const fixture = useFixture('plain over TCP');

  it('wait up to maxQueuedBytes for a peer that does not read, and then no further callback runs', async () => {
    const limit = 100_000;
    const { queue, peer, cut } = await fixture.queueWithPeer({ maxQueuedBytes: limit });
    const answer = new Uint8Array(10_000);
    let runs = 0;
    queue.registerCallback(
      'large',
      () => {
        runs += 1;
        return answer;
      },
      ordered,
    );
    let messages = 0;
    queue.registerCallback('message', () => void (messages += 1));
    queue.start();
    // The kernel accepts some answers, so the test sends requests until no callback runs any more.
    let sent = 0;
    let before = -1;
    while (runs > before) {
      before = runs;
      for (let i = 0; i < 100; i += 1) void peer.send(encodeRequest((sent += 1), 'large', none));
      void peer.send(registered('message'));
      await turns(20);
    }
    expect(queue.bufferedAmount).toBeLessThan(256 * 1024 + 2 * limit);
    expect(messages).toBeLessThan(sent / 100);
    // A peer that reads gets everything, in order.
    const ids: number[] = [];
    while (ids.length < sent) {
      const answer = await recvControl(peer);
      ids.push(answer.type === 'answer' ? answer.id : -1);
    }
    expect(ids).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
    await until(() => messages === sent / 100);
    cut();
  });

  it('do not deadlock two sides that call each other and send more than their queues hold', async () => {
    const options = { callTimeout: Infinity, maxQueuedMessages: 1000 };
    const { near, far } = await fixture.startedQueuePair({ near: options, far: options });
    const count = 20_000;
    const padding = 'x'.repeat(2000);
    const run = async (from: QueueSocket, to: QueueSocket): Promise<void> => {
      const seen: number[] = [];
      to.registerCallback('add', (reader) => void seen.push(Number(textIn(reader).split(' ')[0])));
      to.registerCallback('last', () => `${seen.at(-1) ?? -1}`, ordered);
      const answers: Promise<string>[] = [];
      for (let i = 0; i < count; i += 1) {
        void from.sendRegistered('add', `${i} ${padding}`);
        if (i % 20 === 19) answers.push(from.call('last').then((reader) => textIn(reader)));
      }
      const expected = Array.from({ length: count / 20 }, (_, i) => `${20 * i + 19}`);
      expect(await Promise.all(answers)).toEqual(expected);
    };
    await Promise.all([run(near, far), run(far, near)]);
  });
});
