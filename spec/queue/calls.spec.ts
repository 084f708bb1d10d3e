import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closedError, MalformedError, RemoteError, TimeoutError } from '../../lib/errors.js';
import { requestWindow } from '../../lib/queue/flow-window.js';
import { Calls } from '../../lib/queue/calls.js';
import { AbortHub } from '../../lib/util/wait.js';
import { pattern, Random, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { decodeControl, joined } from '../support/queue.js';
import { failure, failureOf, reasonOf, watch } from '../support/sockets.js';

/** The cost of a request besides its payload: docs/protocol.md. */
const overhead = 512 + 'name'.length;
const none = new Uint8Array(0);

/** Calls whose messages the test receives and answers. */
function open(maxBytes: number = 1e6, maxMessages: number = 1000, highestId?: number) {
  const sent: { kind: 'request' | 'cancel'; id: number; size: number }[] = [];
  const window = requestWindow(maxBytes, maxMessages);
  const take = (message: Uint8Array): Promise<void> => {
    const control = decodeControl(message);
    if (control.type !== 'request' && control.type !== 'cancel') return expect.fail(control.type);
    const size = control.type === 'request' ? control.payload.length : 0;
    sent.push({ kind: control.type, id: control.id, size });
    return Promise.resolve();
  };
  const calls = new Calls(
    { sendCopy: (head, message) => take(joined(head, message)) },
    () => window,
    new AbortHub(),
    undefined,
    highestId,
  );
  const ids = (kind: 'request' | 'cancel' = 'request'): number[] =>
    sent.filter((each) => each.kind === kind).map(({ id }) => id);
  const call = (size: number = 0, timeout: number = Infinity, signal?: AbortSignal) =>
    calls.call('name', pattern(size), timeout, signal);
  return { calls, window, sent, ids, call };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a call', () => {
  it('sends one request and resolves or rejects with the reply that has its id', async () => {
    const { calls, call, ids } = open();
    const [one, two, three] = [call(), call(), call()];
    expect(ids()).toEqual([1, 2, 3]);
    expect(calls.pending).toBe(3);
    calls.answer(2, pattern(5, 2));
    calls.fail(3, 'E', 'why');
    calls.answer(1, none);
    expect(calls.pending).toBe(0);
    expect(same((await two).read(), pattern(5, 2))).toBe(true);
    expect((await one).remaining).toBe(0);
    const error = await failureOf(three, RemoteError);
    expect([error.code, error.callback, error.remoteCode, error.remoteMessage]).toEqual([
      'K4NET_REMOTE',
      'name',
      'E',
      'why',
    ]);
  });

  it('rejects when its reply is malformed', async () => {
    const { calls, call } = open();
    const waiting = call();
    const error = new MalformedError('a failure is incomplete', none);
    calls.failMalformed(1, () => error);
    expect(await reasonOf(waiting)).toBe(error);
  });

  it('ignores a second, a late and an unknown reply', async () => {
    const { calls, call, window } = open();
    const [one, two] = [call(), call()];
    calls.answer(1, pattern(1));
    calls.answer(1, pattern(2));
    calls.fail(1, 'E', 'late');
    for (const id of [0, 3, 99, 2 ** 32 - 1]) {
      calls.answer(id, none);
      calls.fail(id, '', '');
      calls.failMalformed(id, () => new MalformedError('', none));
    }
    expect((await one).remaining).toBe(1);
    expect(calls.pending).toBe(1);
    expect(window.messages).toBe(1);
    calls.answer(2, none);
    await two;
    expect([window.messages, window.bytes]).toEqual([0, 0]);
  });

  it('ignores a reply to a request that was not sent yet', async () => {
    const { calls, call, ids } = open(1e6, 1);
    const [one, two] = [call(), call()];
    expect(ids()).toEqual([1]);
    calls.answer(2, pattern(1));
    calls.fail(2, '', '');
    calls.failMalformed(2, () => new MalformedError('', none));
    calls.answer(1, none);
    expect(ids()).toEqual([1, 2]);
    calls.answer(2, pattern(2));
    expect((await one).remaining).toBe(0);
    expect((await two).remaining).toBe(2);
  });
});

describe('the flow window of calls', () => {
  it('never has more requests in flight than the limit, and sends all of them in order', async () => {
    const random = new Random(5);
    const limit = 5000;
    const { calls, call, sent, window } = open(limit, 7);
    const unanswered = new Map<number, number>();
    let seen = 0;
    const answers: Promise<unknown>[] = [];
    const look = (): void => {
      for (; seen < sent.length; seen += 1) unanswered.set(sent[seen]!.id, sent[seen]!.size + overhead);
      const bytes = [...unanswered.values()].reduce((sum, size) => sum + size, 0);
      expect(bytes <= limit || unanswered.size === 1).toBe(true);
      expect(unanswered.size).toBeLessThanOrEqual(7);
      expect([window.messages, window.bytes]).toEqual([unanswered.size, bytes]);
    };
    for (let i = 0; i < 400; i += 1) {
      if (random.below(3) > 0) answers.push(call(random.below(20) === 0 ? 5000 : random.below(900)));
      else if (unanswered.size > 0) {
        const id = random.pick([...unanswered.keys()]);
        unanswered.delete(id);
        calls.answer(id, none);
      }
      look();
    }
    while (unanswered.size > 0) {
      const [id] = unanswered.keys();
      unanswered.delete(id!);
      calls.answer(id!, none);
      look();
    }
    await Promise.all(answers);
    expect(sent.map(({ id }) => id)).toEqual(Array.from({ length: answers.length }, (_, i) => i + 1));
    expect(calls.pending).toBe(0);
  });

  it('sends one request of any size when no other is in flight', () => {
    const { calls, call, ids } = open(100);
    void call(10_000);
    void call(0);
    expect(ids()).toEqual([1]);
    calls.answer(1, none);
    expect(ids()).toEqual([1, 2]);
    void call(10_000);
    expect(ids()).toEqual([1, 2]);
    calls.answer(2, none);
    expect(ids()).toEqual([1, 2, 3]);
  });

  it('keeps the room of a cancelled call until the peer has replied to it', async () => {
    vi.useFakeTimers();
    const { calls, call, ids } = open(1e6, 1);
    const { signal, abort } = abortable();
    const [one, two, three] = [call(0, 50), call(0, Infinity, signal), call()];
    expect(ids()).toEqual([1]);
    vi.advanceTimersByTime(60);
    await failureOf(one, TimeoutError);
    expect([ids(), calls.pending]).toEqual([[1], 2]);
    calls.fail(1, 'K4NET_CANCELLED', '');
    expect(ids()).toEqual([1, 2]);
    abort('enough');
    expect(await reasonOf(two)).toBe('enough');
    expect([ids(), calls.pending]).toEqual([[1, 2], 1]);
    calls.answer(2, none);
    expect(ids()).toEqual([1, 2, 3]);
    expect(calls.roundTrip).toBeUndefined();
    expect(ids('cancel')).toEqual([1, 2]);
    expect(watch(three).state).toBe('pending');
  });
});

describe('a cancelled call', () => {
  it('sends neither request nor cancel if it still waited to be sent', async () => {
    vi.useFakeTimers();
    const { calls, call, sent, ids } = open(1e6, 1);
    const { signal, abort } = abortable();
    const first = call();
    const [slow, dropped, last] = [call(0, 10), call(0, Infinity, signal), call()];
    abort('enough');
    vi.advanceTimersByTime(20);
    expect(await reasonOf(dropped)).toBe('enough');
    await failureOf(slow, TimeoutError);
    expect(calls.pending).toBe(2);
    expect(sent.length).toBe(1);
    calls.answer(1, none);
    await first;
    expect(ids()).toEqual([1, 4]);
    expect(ids('cancel')).toEqual([]);
    calls.answer(4, none);
    await last;
  });

  it('rejects after its timeout with its name and the timeout', async () => {
    vi.useFakeTimers();
    const { call } = open();
    const waiting = watch(call(0, 25));
    await vi.advanceTimersByTimeAsync(24);
    expect(waiting.state).toBe('pending');
    await vi.advanceTimersByTimeAsync(3);
    expect(waiting.reason).toMatchObject({ code: 'K4NET_TIMEOUT', timeout: 25 });
    expect((waiting.reason as Error).message).toContain("'name'");
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends nothing with a timeout of 0 or an aborted signal', async () => {
    const { calls, call, sent } = open();
    await failureOf(call(0, 0), TimeoutError);
    const { signal, abort } = abortable();
    abort('before');
    expect(await reasonOf(call(0, 10, signal))).toBe('before');
    expect([sent.length, calls.pending]).toEqual([0, 0]);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });

  it('uses one listener per signal, and none when no call waits', async () => {
    const { calls, call } = open();
    const { signal } = abortable();
    const waiting = Array.from({ length: 20 }, () => call(0, Infinity, signal));
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    for (let id = 1; id <= 19; id += 1) calls.answer(id, none);
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    calls.fail(20, '', '');
    await Promise.allSettled(waiting);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    void call(0, Infinity, signal);
    calls.end(closedError('over'));
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });

  it('is one of all calls that share an aborted signal', async () => {
    const { calls, call, ids } = open(1e6, 3);
    const { signal, abort } = abortable();
    const waiting = Array.from({ length: 8 }, () => call(0, 1000, signal));
    abort('all');
    for (const each of waiting) expect(await reasonOf(each)).toBe('all');
    expect(ids('cancel')).toEqual(ids());
    expect(calls.pending).toBe(0);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  });
});

describe('the ids of calls', () => {
  it('start again at 1 after the highest one and skip ids in use', () => {
    const { calls, call, ids } = open(1e6, 1000, 4);
    for (let i = 0; i < 4; i += 1) void call();
    calls.answer(1, none);
    calls.answer(3, none);
    void call();
    void call();
    calls.answer(4, none);
    void call();
    expect(ids()).toEqual([1, 2, 3, 4, 1, 3, 4]);
  });

  it('are in use while a call waits to be sent', () => {
    const { calls, call, ids } = open(1e6, 1, 3);
    void call();
    void call();
    calls.answer(1, none);
    void call();
    void call();
    for (let i = 0; i < 3; i += 1) calls.answer(ids().at(-1)!, none);
    expect(ids()).toEqual([1, 2, 3, 1]);
  });
});

describe('the end of all calls', () => {
  it('rejects the calls in flight, the waiting calls and every later call', async () => {
    const { calls, call, sent } = open(1e6, 1);
    const waiting = [call(), call(0, 1000), call()];
    const error = closedError('over');
    calls.end(error);
    calls.end(closedError('again'));
    for (const each of [...waiting, call()]) expect(await reasonOf(each)).toBe(error);
    expect(sent.length).toBe(1);
    expect(calls.pending).toBe(0);
    calls.answer(1, none);
  });

  it('is not needed for idle, which resolves when no call is pending', async () => {
    const { calls, call } = open();
    await calls.idle();
    const waiting = [call(), call()];
    let idle = false;
    void calls.idle().then(() => (idle = true));
    calls.answer(1, none);
    await turns(2);
    expect(idle).toBe(false);
    calls.fail(2, '', '');
    await failure(waiting[1]!, 'K4NET_REMOTE');
    await calls.idle();
    expect(idle).toBe(true);
  });
});

describe('the round trip time', () => {
  it('is a mean in which the newest call weighs an eighth', () => {
    vi.useFakeTimers();
    const { calls, call } = open();
    expect(calls.roundTrip).toBeUndefined();
    void call();
    vi.advanceTimersByTime(80);
    calls.answer(1, none);
    expect(calls.roundTrip).toBe(80);
    void call();
    vi.advanceTimersByTime(160);
    calls.fail(2, '', '');
    expect(calls.roundTrip).toBe(90);
  });

  it('begins when the request is sent, not while it waits', () => {
    vi.useFakeTimers();
    const { calls, call } = open(1e6, 1);
    void call();
    void call();
    vi.advanceTimersByTime(80);
    calls.answer(1, none);
    calls.answer(2, none);
    expect(calls.roundTrip).toBe(70);
  });
});

function abortable(): { signal: AbortSignal; abort: (reason: unknown) => void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}
