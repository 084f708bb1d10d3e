import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { failure, fill, reasonOf, until, watch } from '../support/sockets.js';
import { useFixture, type FixtureArguments } from '../support/fixture.js';

const kib = 1024;
const mark = 256 * kib;

/** The rules of sending, backpressure and signals, for every message socket. */
export function describeSending(name: string, ...[kind, options]: FixtureArguments): void {
  const fixture = useFixture(kind, options);

  describe(`${name}: backpressure`, () => {
    it('makes send wait while the peer does not read and resolves it when the peer reads again', async () => {
      const { near, far } = await fixture.socketPair();
      const { sent, last } = await fill(near, pattern(32 * kib));
      expect(last.state).toBe('pending');
      const later = watch(near.send('later'));
      await turns(20);
      expect(later.state).toBe('pending');
      for (let i = 0; i < sent; i += 1) await far.recv();
      expect(await far.recvText()).toBe('later');
      // A peer in this process can have a message before the writer's own turn.
      await until(() => last.state === 'resolved' && later.state === 'resolved' && near.bufferedAmount === 0);
    });

    it('keeps bufferedAmount below the high-water mark plus one message in a loop that awaits send', async () => {
      const { near } = await fixture.socketPair();
      const message = pattern(40 * kib);
      let most = 0;
      const loop = (async () => {
        for (;;) {
          await near.send(message);
          most = Math.max(most, near.bufferedAmount);
        }
      })();
      loop.catch(() => undefined);
      let still = 0;
      let before = -1;
      while (still < 100) {
        await turns();
        still = near.bufferedAmount === before ? still + 1 : 0;
        before = near.bufferedAmount;
      }
      expect(near.bufferedAmount).toBeGreaterThan(0);
      expect(Math.max(most, near.bufferedAmount)).toBeLessThan(mark + 2 * (message.length + 4));
    });

    it('includes the messages of waiting senders in bufferedAmount', async () => {
      const { near } = await fixture.socketPair();
      await fill(near);
      const before = near.bufferedAmount;
      void near.send(pattern(1000));
      void near.send(pattern(50_000));
      expect(near.bufferedAmount).toBe(before + 1004 + 50_004);
    });

    it('stops reading at recvSize when no recv takes messages, so that memory stays bounded', async () => {
      const { near, far } = await fixture.socketPair(undefined, { recvSize: 10_000 });
      await fill(near, pattern(1000));
      // A chunk in flight can arrive after the limit was reached.
      expect(far.stats().bytesReceived).toBeLessThan(10_000 + 2 * 64 * kib + 2000);
    });
  });

  describe(`${name}: trySend`, () => {
    it('sends in the order of all send and trySend calls', async () => {
      const { near, far } = await fixture.socketPair();
      expect(near.trySend('one')).toBe(true);
      void near.send('two');
      expect(near.trySend(new Uint8Array([51]))).toBe(true);
      expect(near.trySend('')).toBe(true);
      expect(near.stats().messagesSent).toBe(4);
      for (const text of ['one', 'two', '3', '']) expect(await far.recvText()).toBe(text);
    });

    it.each([1, 16 * kib, 16 * kib + 1, 200 * kib])(
      'lets the caller reuse a buffer of %i bytes at once',
      async (size) => {
        const { near, far } = await fixture.socketPair();
        const message = pattern(size);
        expect(near.trySend(message)).toBe(true);
        message.fill(0);
        expect(same(await far.recv(), pattern(size))).toBe(true);
      },
    );

    it('returns false while senders wait, and sends again after them', async () => {
      const { near, far } = await fixture.socketPair();
      const { sent, last } = await fill(near);
      const before = [near.stats().messagesSent, near.bufferedAmount];
      expect(near.trySend('no')).toBe(false);
      expect([near.stats().messagesSent, near.bufferedAmount]).toEqual(before);
      for (let i = 0; i < sent; i += 1) await far.recv();
      await until(() => last.state === 'resolved');
      expect(near.trySend('yes')).toBe(true);
      expect(await far.recvText()).toBe('yes');
    });

    it('bounds memory in a loop that stops at false', async () => {
      const { near } = await fixture.socketPair();
      const message = pattern(1000);
      let tries = 0;
      while (tries < 10_000 && near.trySend(message)) tries += 1;
      expect(tries).toBeGreaterThan(100);
      expect(tries).toBeLessThan(10_000);
      expect(near.bufferedAmount).toBeLessThan(256 * kib + 1004);
    });

    it('throws the error that send would reject with', async () => {
      const { near, far } = await fixture.socketPair();
      for (const wrong of [1, null, undefined, {}, [1]]) {
        expect(() => near.trySend(wrong as never)).toThrow(TypeError);
      }
      void near.end();
      const afterEnd = await failure(near.send('late'), 'K4NET_STATE');
      expect(() => near.trySend('late')).toThrow(afterEnd.message);
      await Promise.all([near.close(), far.close()]);
      const afterClose = await failure(near.send('later'), 'K4NET_CLOSED');
      expect(() => near.trySend('later')).toThrow(afterClose.message);
    });

    it('throws the error that failed the connection', async () => {
      const pair = await fixture.socketPair();
      void pair.far.recv().catch(() => undefined);
      await pair.near.send('x');
      pair.cut();
      const { error } = await pair.near.closed;
      expect(error).toBeInstanceOf(K4netError);
      expect(() => pair.near.trySend('x')).toThrow(error);
    });
  });

  describe(`${name}: flush`, () => {
    it('resolves when everything sent so far is with the layer below', async () => {
      const { near, far } = await fixture.socketPair();
      await near.flush();
      const reading = (async () => {
        for (let i = 0; i < 30; i += 1) await far.recv();
      })();
      for (let i = 0; i < 30; i += 1) void near.send(pattern(i * 1000));
      expect(near.bufferedAmount).toBeGreaterThan(0);
      await near.flush();
      expect(near.bufferedAmount).toBe(0);
      await reading;
    });

    it('rejects at its timeout or with the reason of its signal, and changes nothing', async () => {
      const { near, far } = await fixture.socketPair();
      const { sent } = await fill(near);
      await failure(near.flush({ timeout: 0 }), 'K4NET_TIMEOUT');
      await failure(near.flush({ timeout: 2 }), 'K4NET_TIMEOUT');
      const controller = new AbortController();
      const flushing = near.flush({ signal: controller.signal });
      controller.abort('enough');
      expect(await reasonOf(flushing)).toBe('enough');
      const last = near.flush();
      for (let i = 0; i < sent; i += 1) await far.recv();
      await last;
    });

    it('waits only for messages that were sent before', async () => {
      const { near, far } = await fixture.socketPair();
      const { sent } = await fill(near);
      const flushing = watch(near.flush());
      void near.send(pattern(10));
      await turns(10);
      expect(flushing.state).toBe('pending');
      for (let i = 0; i < sent; i += 1) await far.recv();
      await until(() => flushing.state === 'resolved');
    });
  });

  describe(`${name}: signals`, () => {
    it('rejects at once with the reason of a signal that has aborted, and sends nothing', async () => {
      const { near, far } = await fixture.socketPair();
      const reason = new Error('no');
      const signal = AbortSignal.abort(reason);
      expect(await reasonOf(near.recv({ signal }))).toBe(reason);
      expect(await reasonOf(near.recvText({ signal }))).toBe(reason);
      expect(await reasonOf(near.send('never', { signal }))).toBe(reason);
      expect(await reasonOf(near.flush({ signal }))).toBe(reason);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      void near.send('first');
      expect(await far.recvText()).toBe('first');
      expect(near.stats().messagesSent).toBe(1);
    });

    it('ends a wait with the reason of its signal and loses no message', async () => {
      const { near, far } = await fixture.socketPair();
      for (const reason of [new Error('stop'), 'a string', 0, undefined]) {
        const controller = new AbortController();
        const call = reasonOf(far.recv({ signal: controller.signal }));
        await turns();
        controller.abort(reason);
        expect(await call).toBe(controller.signal.reason);
      }
      void near.send('kept');
      expect(await far.recvText()).toBe('kept');
    });

    it('adds one listener to a signal for all waits of a socket, and removes it after the last', async () => {
      const { near, far } = await fixture.socketPair();
      const controller = new AbortController();
      const { signal } = controller;
      const count = (): number => getEventListeners(signal, 'abort').length;
      const calls = Array.from({ length: 20 }, () => far.recv({ signal }));
      expect(count()).toBe(1);
      const other = near.recv({ signal });
      expect(count()).toBe(2);
      void far.send('x');
      await other;
      await turns();
      expect(count()).toBe(1);
      for (let i = 0; i < 19; i += 1) void near.send('x');
      await Promise.all(calls.slice(0, 19));
      await turns();
      expect(count()).toBe(1);
      controller.abort('over');
      expect(await reasonOf(calls[19]!)).toBe('over');
      expect(count()).toBe(0);
    });

    it('removes its listener from the signal after a timeout', async () => {
      const { far } = await fixture.socketPair();
      const { signal } = new AbortController();
      await failure(far.recv({ signal, timeout: 1 }), 'K4NET_TIMEOUT');
      await turns();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    it('cancels a waiting send without sending it and keeps the order of the others', async () => {
      const { near, far } = await fixture.socketPair();
      const { sent } = await fill(near);
      const controller = new AbortController();
      const before = near.bufferedAmount;
      const first = near.send('first');
      const taken = reasonOf(near.send('taken out', { signal: controller.signal }));
      const last = near.send('last');
      controller.abort('changed my mind');
      expect(await taken).toBe('changed my mind');
      expect(near.bufferedAmount).toBe(before + 4 + 5 + 4 + 4);
      for (let i = 0; i < sent; i += 1) await far.recv();
      expect([await far.recvText(), await far.recvText()]).toEqual(['first', 'last']);
      await Promise.all([first, last]);
    });

    it('sends an accepted message whole although its signal aborts', async () => {
      const { near, far } = await fixture.socketPair();
      // The peer reads nothing, and the queue is below the high-water mark: accepted, and not
      // written yet.
      const { sent } = await fill(near, pattern(32 * kib), 1);
      const controller = new AbortController();
      const message = pattern(100 * kib, 9);
      const sending = reasonOf(near.send(message, { signal: controller.signal }));
      await turns();
      controller.abort('too late');
      expect(await sending).toBe('too late');
      for (let i = 0; i < sent; i += 1) await far.recv();
      expect(same(await far.recv(), message)).toBe(true);
      void near.send('next');
      expect(await far.recvText()).toBe('next');
    });

    it('rejects a signal that is not an AbortSignal', async () => {
      const { near } = await fixture.socketPair();
      for (const signal of [null, 'x', {}, new AbortController()]) {
        expect(await reasonOf(near.recv({ signal: signal as never }))).toBeInstanceOf(TypeError);
        expect(await reasonOf(near.send('x', { signal: signal as never }))).toBeInstanceOf(TypeError);
      }
      expect(near.stats().messagesSent).toBe(0);
    });
  });
}
