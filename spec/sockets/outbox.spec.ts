import { describe, expect, it } from 'vitest';
import type { Outlet } from '../../lib/sockets/frame-writer.js';
import { Outbox } from '../../lib/sockets/outbox.js';
import { AbortHub } from '../../lib/util/wait.js';
import { unframe } from '../support/frames.js';
import { concat, pattern, same, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { watch } from '../support/sockets.js';

const kib = 1024;

/** An outlet that records writes and finishes them when the test calls `done`. */
class Scripted implements Outlet {
  readonly writes: Uint8Array[] = [];
  readonly parts: (readonly Uint8Array[])[] = [];
  readonly undone: (() => void)[] = [];
  ends = 0;
  ready = true;

  write(parts: readonly Uint8Array[], done?: () => void): boolean {
    this.parts.push(parts);
    this.writes.push(concat(parts));
    if (done) this.undone.push(done);
    return this.ready;
  }

  end(): void {
    this.ends += 1;
  }

  /** Finishes the oldest write. */
  done(): void {
    this.undone.shift()?.();
  }
}

function make(highWaterMark: number): { outbox: Outbox; outlet: Scripted } {
  const outlet = new Scripted();
  return { outbox: new Outbox(outlet, highWaterMark, new AbortHub()), outlet };
}

describe('Outbox', () => {
  it('keeps a sender of borrowed bytes waiting while the queue is over the high-water mark', async () => {
    const { outbox, outlet } = make(30 * kib);
    const first = watch(outbox.send(pattern(20 * kib)));
    await turns();
    const second = watch(outbox.send(pattern(200 * kib)));
    await turns();
    expect(outlet.writes).toHaveLength(2);
    outlet.done();
    await turns();
    expect([first.state, second.state]).toEqual(['pending', 'pending']);
    expect(outbox.bufferedAmount).toBe(200 * kib + 4);
    outlet.done();
    await turns();
    expect([first.state, second.state]).toEqual(['resolved', 'resolved']);
  });

  it.each([100, 5 * kib, 20 * kib, 100 * kib])(
    'resolves a send of %i bytes when the outlet finishes before its write returns',
    async (size) => {
      const { outbox, outlet } = make(1024 * kib);
      outlet.write = (_parts, done) => {
        done?.();
        return true;
      };
      const states = [watch(outbox.send(pattern(size))), watch(outbox.send(pattern(size)))];
      await turns();
      expect(states.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
      expect(outbox.bufferedAmount).toBe(0);
    },
  );

  it('does not copy a long message, and its sender waits until it is written', async () => {
    const { outbox, outlet } = make(1024 * kib);
    const message = pattern(20 * kib);
    const sending = watch(outbox.send(message));
    await turns();
    expect(outlet.parts.flat().some((part) => part.buffer === message.buffer)).toBe(true);
    expect(sending.state).toBe('pending');
    outlet.done();
    await turns();
    expect(sending.state).toBe('resolved');
  });

  it('copies a short message, so that the caller may reuse its buffer at once', async () => {
    const { outbox, outlet } = make(1024 * kib);
    const message = pattern(16 * kib);
    const sending = watch(outbox.send(message));
    message.fill(0);
    await turns();
    expect(sending.state).toBe('resolved');
    expect(sameAll(unframe(outlet.writes), [pattern(16 * kib)])).toBe(true);
  });

  it('writes nothing until drain after a write returned false, and then everything in one write', async () => {
    const { outbox, outlet } = make(1024 * kib);
    outlet.ready = false;
    void outbox.send(pattern(10, 1));
    await turns();
    for (let i = 2; i < 60; i += 1) void outbox.send(pattern(3 * kib, i));
    void outbox.end();
    await turns(3);
    expect(outlet.writes).toHaveLength(1);
    expect(outlet.ends).toBe(0);
    outlet.ready = true;
    outbox.drain();
    expect(outlet.writes).toHaveLength(2);
    expect(outlet.ends).toBe(1);
    expect(unframe(outlet.writes)).toHaveLength(59);
  });

  it('accepts waiting messages in order while there is room', async () => {
    const { outbox, outlet } = make(10 * kib);
    const sends = Array.from({ length: 5 }, (_, i) => watch(outbox.send(pattern(12 * kib, i))));
    const flushing = watch(outbox.flush({}));
    const ended = watch(outbox.end());
    for (let i = 0; i < 5; i += 1) {
      await turns();
      // One message is over the high-water mark: the next is not framed before it is written.
      expect(outlet.writes).toHaveLength(i + 1);
      expect(sends.map(({ state }) => state)).toEqual(
        sends.map((_, each) => (each < i ? 'resolved' : 'pending')),
      );
      outlet.done();
    }
    await turns();
    expect([flushing.state, ended.state, outlet.ends]).toEqual(['resolved', 'resolved', 1]);
    expect(same(concat(unframe(outlet.writes)), concat(sends.map((_, i) => pattern(12 * kib, i))))).toBe(
      true,
    );
    expect(outbox.bufferedAmount).toBe(0);
  });

  it('ends once, after every waiting message', async () => {
    const { outbox, outlet } = make(1);
    void outbox.send(pattern(5));
    void outbox.send(pattern(6));
    void outbox.end();
    await turns();
    expect([outlet.writes.length, outlet.ends]).toEqual([1, 0]);
    outlet.done();
    await turns();
    expect([outlet.writes.length, outlet.ends]).toEqual([2, 1]);
    outlet.done();
    await turns();
    expect(outlet.ends).toBe(1);
  });

  it('yields a turn of the event loop in a send loop that never has to wait', async () => {
    const { outbox, outlet } = make(1024 * kib);
    let turned = 0;
    setImmediate(() => {
      turned += 1;
    });
    let sent = 0;
    // Each write finishes in the next tick, so that the queue never fills.
    while (turned === 0 && sent < 10_000) {
      await outbox.send(pattern(kib));
      for (const done of outlet.undone.splice(0)) process.nextTick(done);
      sent += 1;
    }
    expect(turned).toBe(1);
  });

  it('rejects every waiting call after a failure, and writes nothing more', async () => {
    const { outbox, outlet } = make(10);
    const waiting = [outbox.send(pattern(20)), outbox.send(pattern(20)), outbox.flush({}), outbox.end()].map(
      watch,
    );
    const error = new Error('broken') as never;
    outbox.fail(error);
    outbox.fail(new Error('again') as never);
    outlet.done();
    outbox.drain();
    const later = [
      outbox.send(pattern(1)),
      outbox.flush({}),
      outbox.end(),
      outbox.sendWith(pattern(1), {}),
    ].map(watch);
    await turns(2);
    for (const each of [...waiting, ...later]) expect(each.reason).toBe(error);
    expect(outlet.ends).toBe(0);
    expect(outlet.writes).toEqual([]);
  });
});
