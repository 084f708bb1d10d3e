import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TooLargeError, closedError } from '../../lib/errors.js';
import { FlowWindow } from '../../lib/queue/flow-window.js';
import { ReceiveQueue } from '../../lib/queue/receive-queue.js';
import { compact } from '../../lib/util/bytes.js';
import { AbortHub } from '../../lib/util/wait.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { failure, failureOf, watch } from '../support/sockets.js';

describe('a message that waits in a queue', () => {
  it('does not keep a much larger buffer in memory', () => {
    const large = pattern(10_000);
    const view = large.subarray(500, 600);
    const kept = compact(view);
    expect(same(kept, view)).toBe(true);
    expect(kept.buffer.byteLength).toBe(100);
    const most = large.subarray(100);
    expect(compact(most)).toBe(most);
    const empty = compact(large.subarray(7, 7));
    expect(empty.buffer.byteLength).toBe(0);
  });
});

describe('a receive queue', () => {
  function open() {
    const budget = new FlowWindow(1000, 3);
    let room = 0;
    let unread = 0;
    const queue = new ReceiveQueue(
      budget,
      new AbortHub(),
      () => (room += 1),
      () => (unread += 1),
    );
    return { queue, budget, room: () => room, unread: () => unread };
  }

  it('returns messages in order and reports room each time', async () => {
    const { queue, budget, room } = open();
    for (const size of [1, 0, 3]) queue.push(pattern(size, size));
    expect([budget.messages, budget.bytes, budget.full]).toEqual([3, 196, true]);
    for (const size of [1, 0, 3]) expect(same(await queue.receive({}), pattern(size, size))).toBe(true);
    expect([budget.messages, budget.bytes, room()]).toEqual([0, 0, 3]);
    expect(queue.take()).toBeUndefined();
  });

  it('gives messages to pending receives in the order of their calls', async () => {
    const { queue, budget } = open();
    const waiting = [queue.receive({}), queue.receive({}), queue.receive({})];
    for (let i = 1; i <= 3; i += 1) queue.push(pattern(i));
    expect((await Promise.all(waiting)).map(({ length }) => length)).toEqual([1, 2, 3]);
    expect(budget.messages).toBe(0);
  });

  it('keeps a message that is too long for a pending receive for the next one', async () => {
    const { queue } = open();
    const picky = queue.receive({ maxSize: 2 });
    const patient = queue.receive({});
    queue.push(pattern(3));
    expect((await failureOf(picky, TooLargeError)).size).toBe(3);
    expect((await patient).length).toBe(3);
  });

  it('returns the waiting messages after its end, and then rejects with the reason', async () => {
    const { queue } = open();
    queue.push(pattern(1));
    queue.end(closedError('the peer has ended'));
    queue.end(closedError('too late'));
    expect(queue.over).toBeUndefined();
    expect((await queue.receive({})).length).toBe(1);
    expect(queue.over?.message).toBe('the peer has ended');
    expect((await failure(queue.receive({}), 'K4NET_CLOSED')).message).toBe('the peer has ended');
  });

  it('rejects pending receives at its end', async () => {
    const { queue } = open();
    const waiting = watch(queue.receive({}));
    await turns();
    expect(waiting.state).toBe('pending');
    queue.end(closedError('the peer has ended'));
    await turns();
    expect(waiting.state).toBe('rejected');
  });

  it('drops all messages and releases its window when it is discarded', async () => {
    const { queue, budget, room } = open();
    queue.push(pattern(5));
    queue.push(pattern(0));
    queue.push(pattern(6));
    queue.end(closedError('the peer has ended'));
    queue.discard(closedError('closed here'));
    expect([budget.messages, budget.bytes, room()]).toEqual([0, 0, 0]);
    expect((await failure(queue.receive({}), 'K4NET_CLOSED')).message).toBe('closed here');
  });

  describe('a full receive queue', () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('reports once that no message was taken for a second', () => {
      const { queue, unread } = open();
      for (let i = 0; i < 3; i += 1) queue.push(pattern(i));
      vi.advanceTimersByTime(999);
      expect(unread()).toBe(0);
      vi.advanceTimersByTime(1);
      expect(unread()).toBe(1);
      queue.take();
      queue.push(pattern(1));
      vi.advanceTimersByTime(10_000);
      expect(unread()).toBe(1);
      expect(vi.getTimerCount()).toBe(0);
    });

    it('does not count as unread after a message was taken, however long the next one waits', () => {
      const { queue, unread } = open();
      for (let i = 0; i < 3; i += 1) queue.push(pattern(i));
      for (let i = 0; i < 20; i += 1) {
        vi.advanceTimersByTime(i === 0 ? 900 : 60_000);
        queue.take();
        queue.push(pattern(i));
      }
      expect([unread(), vi.getTimerCount()]).toEqual([0, 0]);
    });

    it('reports nothing and has no timer after it has ended or has room', () => {
      const ended = open();
      const emptied = open();
      for (const { queue } of [ended, emptied]) for (let i = 0; i < 3; i += 1) queue.push(pattern(i));
      ended.queue.end(closedError('the peer has ended'));
      expect(vi.getTimerCount()).toBe(1);
      emptied.queue.take();
      vi.advanceTimersByTime(2000);
      expect([ended.unread(), emptied.unread(), vi.getTimerCount()]).toEqual([0, 0, 0]);
    });
  });

  it('does not keep the buffer of waiting messages in memory', async () => {
    const { queue } = open();
    queue.push(pattern(10_000).subarray(0, 10));
    expect((await queue.receive({})).buffer.byteLength).toBe(10);
  });
});
