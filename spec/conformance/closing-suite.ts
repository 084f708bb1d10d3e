import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { pattern, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { arrived, failure, fill, reasonOf, receiveAll, textOf, until, watch } from '../support/sockets.js';
import { useFixture, type FixtureArguments } from '../support/fixture.js';

const kib = 1024;

/** The rules of closing, of a connection that fails, and of the state, for every message socket. */
export function describeClosing(name: string, ...[kind, options]: FixtureArguments): void {
  const fixture = useFixture(kind, options);

  describe(`${name}: end`, () => {
    it('rejects further sends and still receives (half-close)', async () => {
      const { near, far } = await fixture.socketPair(undefined, { allowHalfOpen: true });
      void near.send('last');
      await near.end();
      expect(near.readyState).toBe('open');
      const error = await failure(near.send('more'), 'K4NET_STATE');
      expect(error.message).toContain('ended');
      await near.end();
      expect(await far.recvText()).toBe('last');
      await failure(far.recv(), 'K4NET_CLOSED');
      await far.send('answer');
      expect(await near.recvText()).toBe('answer');
      await far.end();
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect([near.readyState, far.readyState]).toEqual(['closed', 'closed']);
    });

    it('ends behind every earlier message, including waiting ones', async () => {
      const { near, far } = await fixture.socketPair({ highWaterMark: 1000 });
      for (let i = 0; i < 50; i += 1) void near.send(pattern(5000, i));
      const ended = near.end();
      const received = await receiveAll(far);
      expect(
        sameAll(
          received,
          Array.from({ length: 50 }, (_, i) => pattern(5000, i)),
        ),
      ).toBe(true);
      await ended;
    });

    it('rejects a recv of the peer only after every message was taken', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('one');
      void near.end();
      const calls = [far.recv(), far.recv(), far.recv({ timeout: 20_000 })];
      expect(textOf(await calls[0])).toBe('one');
      await failure(calls[1]!, 'K4NET_CLOSED');
      await failure(calls[2]!, 'K4NET_CLOSED');
    });
  });

  describe(`${name}: close`, () => {
    it('sends the closing message last, and both sides close cleanly', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('first');
      const closing = near.close('bye');
      expect(near.readyState).toBe('closing');
      expect((await receiveAll(far)).map(textOf)).toEqual(['first', 'bye']);
      await closing;
      expect(near.readyState).toBe('closed');
      expect([await near.closed, await far.closed]).toEqual([
        { code: 'K4NET_CLOSED' },
        { code: 'K4NET_CLOSED' },
      ]);
    });

    it('accepts a closing message that is empty or bytes', async () => {
      for (const last of ['', new Uint8Array([1, 2]), pattern(100 * kib)]) {
        const { near, far } = await fixture.socketPair();
        void near.close(last);
        const [only, ...others] = await receiveAll(far);
        expect(only?.length).toBe(last.length);
        expect(others).toEqual([]);
      }
    });

    it('sends waiting messages before the closing message', async () => {
      const { near, far } = await fixture.socketPair({ highWaterMark: 100 });
      const sends = Array.from({ length: 20 }, (_, i) => near.send(pattern(3000, i)));
      void near.close('bye');
      const received = await receiveAll(far);
      expect(received.length).toBe(21);
      expect(textOf(received[20])).toBe('bye');
      await Promise.all(sends);
    });

    it('closes once and sends only the first closing message when it is called again', async () => {
      const { near, far } = await fixture.socketPair();
      const closing = [near.close('first'), near.close('second'), near.close()];
      expect((await receiveAll(far)).map(textOf)).toEqual(['first']);
      await Promise.all(closing);
      await near.close('third');
      await near.close();
      await near[Symbol.asyncDispose]();
    });

    it('rejects every waiting call', async () => {
      const { near, far } = await fixture.socketPair();
      await fill(near);
      const controller = new AbortController();
      const pending: Promise<unknown>[] = [
        near.recv(),
        near.recv({ timeout: 20_000 }),
        near.recv({ signal: controller.signal }),
        near.recvText(),
      ];
      const sends = [near.send('waits'), near.send('waits', { signal: controller.signal }), near.flush()];
      const closing = near.close(undefined, { timeout: 5 });
      for (const call of pending) await failure(call, 'K4NET_CLOSED');
      for (const call of sends) await failure(call, 'K4NET_TIMEOUT');
      await closing;
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
      void far.closed;
    });

    it('rejects later calls', async () => {
      const { near, far } = await fixture.socketPair();
      const closing = near.close();
      await failure(near.send('x'), 'K4NET_CLOSED');
      await failure(near.recv(), 'K4NET_CLOSED');
      expect(() => near.tryRecv()).toThrow(K4netError);
      void far.close();
      await closing;
      await failure(near.send('x'), 'K4NET_CLOSED');
      await failure(near.recv({ timeout: 0 }), 'K4NET_CLOSED');
      await failure(near.recvText(), 'K4NET_CLOSED');
    });

    it('cuts a peer that does not end within the timeout', async () => {
      const { near, far } = await fixture.socketPair(undefined, { allowHalfOpen: true });
      const start = near.close('bye', { timeout: 10 });
      expect(await far.recvText()).toBe('bye');
      await start;
      expect((await near.closed).code).toBe('K4NET_TIMEOUT');
      await failure(far.recv(), 'K4NET_CLOSED');
      // Nothing is read behind the end of a direction, so only a write notices the cut.
      while (far.readyState !== 'closed') {
        void far.send('anyone?');
        await turns();
      }
      expect((await far.closed).code).toBe('K4NET_CONNECTION');
    });

    it('cuts at once when the timeout is 0', async () => {
      const { near, far } = await fixture.socketPair();
      await near.close(undefined, { timeout: 0 });
      expect((await near.closed).code).toBe('K4NET_TIMEOUT');
      expect((await far.closed).code).toBe(fixture.cutCode);
    });

    it('cuts at the timeout of a later call when that is earlier', async () => {
      const { near } = await fixture.socketPair();
      const patient = watch(near.close(undefined, { timeout: Infinity }));
      await turns(5);
      expect(patient.state).toBe('pending');
      await near.close(undefined, { timeout: 0 });
      await until(() => patient.state === 'resolved');
    });

    it('does not reject when the peer is gone', async () => {
      const pair = await fixture.socketPair();
      pair.cut();
      await pair.near.close('bye');
      await pair.far.close();
      expect((await pair.near.closed).code).toBe('K4NET_CONNECTION');
    });

    it('closes the socket after end()', async () => {
      const { near, far } = await fixture.socketPair();
      await near.end();
      const closing = near.close();
      expect(await receiveAll(far)).toEqual([]);
      await closing;
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it('drops everything that the peer still sends', async () => {
      const { near, far } = await fixture.socketPair({ recvSize: 1000 });
      const sending = (async () => {
        for (let i = 0; i < 100; i += 1) await far.send(pattern(50 * kib));
        await far.close();
      })();
      await arrived(near, 1000);
      await near.close();
      await sending;
      expect([await near.closed, await far.closed]).toEqual([
        { code: 'K4NET_CLOSED' },
        { code: 'K4NET_CLOSED' },
      ]);
    });

    it('rejects wrong arguments and then changes nothing', async () => {
      const { near, far } = await fixture.socketPair();
      expect(await reasonOf(near.close(5 as never))).toBeInstanceOf(TypeError);
      expect(await reasonOf(near.close('x', { timeout: -1 }))).toBeInstanceOf(RangeError);
      expect(await reasonOf(near.close('x', { timeOut: 1 } as never))).toBeInstanceOf(TypeError);
      expect(near.readyState).toBe('open');
      await near.send('still here');
      expect(await far.recvText()).toBe('still here');
    });

    it('closes the socket on disposal and never rejects', async () => {
      const { near, far } = await fixture.socketPair();
      const disposing = near[Symbol.asyncDispose]();
      expect(await receiveAll(far)).toEqual([]);
      await disposing;
      expect(near.readyState).toBe('closed');
      const broken = await fixture.socketPair();
      broken.cut();
      await broken.near[Symbol.asyncDispose]();
    });

    it('leaves no listener and no timer behind', async () => {
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
      const before = timers();
      const { near, far } = await fixture.socketPair();
      const { signal } = new AbortController();
      const pending = [near.recv({ timeout: 30_000, signal }), near.recv({ timeout: 2 ** 33 })].map(reasonOf);
      void near.flush({ timeout: 30_000, signal });
      void far.recv({ timeout: 30_000, signal });
      await turns();
      expect(getEventListeners(signal, 'abort')).toHaveLength(2);
      await Promise.all([near.close(), far.close()]);
      await Promise.all(pending);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      // At most as many as before: a timer of another test can expire meanwhile.
      expect(timers()).toBeLessThanOrEqual(before);
    });
  });

  describe(`${name}: a connection that fails`, () => {
    it('rejects every call with the cause, after the messages that have arrived whole', async () => {
      const pair = await fixture.socketPair(undefined, { highWaterMark: 10 });
      const { near, far } = pair;
      void near.send('whole');
      await arrived(far, 9);
      const flushed = watch(far.flush());
      await until(() => flushed.state === 'resolved');
      pair.cut();
      const info = await far.closed;
      expect(info.code).toBe(fixture.cutCode);
      expect(far.readyState).toBe('closed');
      expect(await far.recvText()).toBe('whole');
      expect(await reasonOf(far.recv())).toBe(info.error);
      expect(await reasonOf(far.send('x'))).toBe(info.error);
      expect(await reasonOf(far.flush())).toBe(info.error);
      expect(() => far.tryRecv()).toThrow(info.error);
      expect(await reasonOf(receiveAll(far))).toBe(info.error);
    });

    it('rejects every waiting recv', async () => {
      const pair = await fixture.socketPair();
      const calls = [pair.far.recv(), pair.far.recvText(), pair.far.recv({ timeout: 20_000 })];
      const waiting = calls.map((call) => failure(call, fixture.cutCode));
      await turns();
      pair.cut();
      await Promise.all(waiting);
    });

    it('causes no unhandled rejection of calls that nobody awaits', async () => {
      const unhandled = vi.fn();
      process.on('unhandledRejection', unhandled);
      try {
        const pair = await fixture.socketPair();
        const { near, far } = pair;
        await fill(near);
        void near.send('waits');
        void near.send('waits', { signal: new AbortController().signal });
        void near.flush();
        void near.recv();
        void near.recvText();
        void near.recv({ timeout: 20_000, signal: new AbortController().signal });
        void near[Symbol.asyncIterator]().next();
        void near.end();
        pair.cut();
        await near.closed;
        // A peer that does not read cannot notice the reset.
        for (let i = 0; i < 3; i += 1) void far.recv();
        void near.send('gone');
        void near.recv();
        void near.recvText();
        void near.end();
        void near.flush();
        void near.close('gone');
        await turns(5);
        expect(unhandled.mock.calls).toEqual([]);
      } finally {
        process.off('unhandledRejection', unhandled);
      }
    });
  });

  describe(`${name}: state and options`, () => {
    it('reports open, closing and closed as readyState', async () => {
      const { near, far } = await fixture.socketPair();
      expect([near.readyState, far.readyState]).toEqual(['open', 'open']);
      const closing = near.close();
      expect(near.readyState).toBe('closing');
      await far.close();
      await closing;
      expect([near.readyState, far.readyState]).toEqual(['closed', 'closed']);
    });

    it('counts messages and bytes, including length prefixes, in stats', async () => {
      const { near, far } = await fixture.socketPair();
      const none = { messagesSent: 0, messagesReceived: 0, bytesSent: 0, bytesReceived: 0 };
      expect(near.stats()).toEqual(none);
      void near.send('');
      void near.send(pattern(100));
      await near.send(pattern(20 * kib));
      await far.recv();
      await arrived(far, 12 + 100 + 20 * kib);
      expect(near.stats()).toEqual({ ...none, messagesSent: 3, bytesSent: 12 + 100 + 20 * kib });
      expect(far.stats()).toEqual({ ...none, messagesReceived: 1, bytesReceived: 12 + 100 + 20 * kib });
    });

    it('returns itself from ref and unref', async () => {
      const { near } = await fixture.socketPair();
      expect(near.unref()).toBe(near);
      expect(near.ref()).toBe(near);
    });

    it('rejects an unknown option by name', async () => {
      const { near } = await fixture.socketPair();
      const calls: [Promise<unknown>, string][] = [
        [near.recv({ maxsize: 3 } as never), 'maxsize'],
        [near.recvText({ time: 3 } as never), 'time'],
        [near.send('x', { timeout: 3 } as never), 'timeout'],
        [near.flush({ signals: 3 } as never), 'signals'],
        [near.close('x', { signal: 3 } as never), 'signal'],
      ];
      for (const [call, wrong] of calls) {
        const error = await reasonOf(call);
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toContain(`'${wrong}'`);
      }
      expect(near.readyState).toBe('open');
    });
  });
}
