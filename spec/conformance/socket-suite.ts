import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { K4netError, MalformedError, TimeoutError, TooLargeError } from '../../lib/errors.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { describeBatches } from './batches-suite.js';
import { pattern, same, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import {
  arrived,
  drain,
  failure,
  failureOf,
  fill,
  pairOpener,
  reasonOf,
  textOf,
  until,
  watch,
  type MakeSocketPair,
} from '../support/sockets.js';

const kib = 1024;
const mark = 256 * kib;

/** The rules of every message socket ("Rules of every socket" of the design), whatever it is made over. */
export function describeSocket(name: string, makePair: MakeSocketPair): void {
  const open = pairOpener(makePair);

  // Hooks run from the last to the first: pairs are closed with the real timers.
  afterEach(() => {
    vi.useRealTimers();
  });

  describe(`${name}: messages`, () => {
    it('arrive as they were sent, one for one, in the order of the calls', async () => {
      const { near, far } = await open();
      const sizes = [
        0,
        1,
        3,
        4,
        1019,
        1020,
        16 * kib - 1,
        16 * kib,
        16 * kib + 1,
        0,
        64 * kib,
        300 * kib,
        0,
        5,
      ];
      const sent = sizes.map((size, i) => pattern(size, i));
      const received = Promise.all(sent.map(() => far.recv()));
      await Promise.all(sent.map((message) => near.send(message)));
      expect(sameAll(await received, sent)).toBe(true);
    });

    it('of any sizes, sent in any rhythm, both ways at once', async () => {
      const { near, far } = await open({ highWaterMark: 20_000 }, { recvSize: 5000 });
      const message = fc.tuple(
        fc.oneof(fc.nat(50), fc.nat(3000), fc.integer({ min: 16_000, max: 70_000 })),
        fc.constantFrom('await', 'forget', 'turn'),
      );
      const send = async (sock: LockedSocket, list: [number, string][]): Promise<void> => {
        for (const [i, [size, rhythm]] of list.entries()) {
          const sending = sock.send(pattern(size, i));
          if (rhythm === 'await') await sending;
          if (rhythm === 'turn') await turns();
        }
      };
      const receive = async (sock: LockedSocket, list: [number, string][]): Promise<void> => {
        for (const [i, [size]] of list.entries()) {
          if (!same(await sock.recv(), pattern(size, i)))
            expect.fail(`message ${i} of ${size} bytes is wrong`);
        }
      };
      const list = fc.array(message, { maxLength: 25 });
      await fc.assert(
        fc.asyncProperty(list, list, async (there, back) => {
          await Promise.all([send(near, there), receive(far, there), send(far, back), receive(near, back)]);
        }),
        { seed: 5, numRuns: 25 },
      );
    });

    it('go to the calls of recv in their order, also when those came first', async () => {
      const { near, far } = await open();
      const waiting = Array.from({ length: 50 }, () => far.recvText());
      await turns(2);
      for (let i = 0; i < 50; i += 1) void near.send(String(i));
      expect(await Promise.all(waiting)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    });

    it('keep the order of the calls also when some have a signal and some do not', async () => {
      const { near, far } = await open({ highWaterMark: 4 * kib });
      const { signal } = new AbortController();
      const sends = Array.from({ length: 60 }, (_, i) =>
        near.send(pattern(1 + (i % 7) * 500, i), i % 3 === 0 ? { signal } : undefined),
      );
      for (let i = 0; i < 60; i += 1)
        expect(same(await far.recv(), pattern(1 + (i % 7) * 500, i))).toBe(true);
      await Promise.all(sends);
    });

    it('may be empty', async () => {
      const { near, far } = await open();
      for (const message of ['', new Uint8Array(0), '', 'end']) void near.send(message);
      const lengths = [await far.recv(), await far.recv(), await far.recv(), await far.recv()];
      expect(lengths.map((message) => message.length)).toEqual([0, 0, 0, 3]);
    });

    it('are plain Uint8Arrays, whatever was sent', async () => {
      const { near, far } = await open();
      for (const message of [Buffer.from('a'), pattern(100 * kib), '', 'text']) void near.send(message);
      for (let i = 0; i < 4; i += 1) expect((await far.recv()).constructor).toBe(Uint8Array);
      void near.send(Buffer.from('b'));
      await arrived(far, near.stats().bytesSent);
      expect(far.tryRecv()?.constructor).toBe(Uint8Array);
    });

    it('may be written over once send has resolved', async () => {
      const { near, far } = await open();
      for (const size of [10, 5000, 100 * kib, 600 * kib]) {
        for (const mine of [pattern(size, 1), Buffer.from(pattern(size, 1))]) {
          const received = far.recv();
          await near.send(mine);
          mine.fill(0xee);
          expect(same(await received, pattern(size, 1))).toBe(true);
        }
      }
    });

    it('of text are UTF-8', async () => {
      const { near, far } = await open();
      const text = '\ufeffgrüße, 世界 \u{1f600}\0';
      void near.send(text);
      expect(await far.recvText()).toBe(text);
      void near.send(text);
      expect(same(await far.recv(), new TextEncoder().encode(text))).toBe(true);
    });

    it('that are not UTF-8 are consumed by recvText, which carries the bytes', async () => {
      const { near, far } = await open();
      const bad = new Uint8Array([0x61, 0xff, 0xfe]);
      void near.send(bad);
      void near.send('good');
      const error = await failureOf(far.recvText(), MalformedError);
      expect(error.code).toBe('K4NET_MALFORMED');
      expect(same(error.data, bad)).toBe(true);
      expect(await far.recvText()).toBe('good');
    });

    it('go through texts() up to one that is not text', async () => {
      const { near, far } = await open();
      void near.send('one');
      void near.send('');
      void near.send(new Uint8Array([0xff]));
      void near.send('after');
      const seen: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const text of far.texts()) seen.push(text);
      };
      await failure(loop(), 'K4NET_MALFORMED');
      expect(seen).toEqual(['one', '']);
      expect(await far.recvText()).toBe('after');
      expect(far.readyState).toBe('open');
    });

    it('are bytes or text and nothing else', async () => {
      const { near, far } = await open();
      for (const wrong of [1, null, undefined, {}, [1, 2], new ArrayBuffer(3), new Uint16Array(2), true]) {
        expect(await reasonOf(near.send(wrong as never))).toBeInstanceOf(TypeError);
      }
      await near.send('right');
      expect(await far.recvText()).toBe('right');
      expect(near.stats().messagesSent).toBe(1);
    });
  });

  describe(`${name}: tryRecv`, () => {
    it('gives what is here and never waits', async () => {
      const { near, far } = await open();
      expect(far.tryRecv()).toBeUndefined();
      void near.send('one');
      void near.send('');
      await arrived(far, 11);
      expect(textOf(far.tryRecv())).toBe('one');
      expect(far.tryRecv()?.length).toBe(0);
      expect(far.tryRecv()).toBeUndefined();
    });

    it('throws what recv rejects with, once all was taken', async () => {
      const { near, far } = await open(undefined, { allowHalfOpen: true });
      void near.send('last');
      void near.end();
      const first = watch(far.recv());
      await until(() => first.state !== 'pending');
      const after = await failure(far.recv(), 'K4NET_CLOSED');
      expect(() => far.tryRecv()).toThrow(after);
    });
  });

  describe(`${name}: timeouts of recv`, () => {
    it('0 gives what is here, or rejects at once', async () => {
      const { near, far } = await open();
      const error = await failureOf(far.recv({ timeout: 0 }), TimeoutError);
      expect(error.code).toBe('K4NET_TIMEOUT');
      expect(error.timeout).toBe(0);
      void near.send('here');
      await arrived(far, 8);
      expect(textOf(await far.recv({ timeout: 0 }))).toBe('here');
      await failure(far.recv(undefined, 0), 'K4NET_TIMEOUT');
    });

    it('a finite one rejects, and nothing is lost', async () => {
      const { near, far } = await open();
      expect((await failureOf(far.recv({ timeout: 3 }), TimeoutError)).timeout).toBe(3);
      await failure(far.recv(100, 1), 'K4NET_TIMEOUT');
      void near.send('late');
      expect(await far.recvText({ timeout: 20_000 })).toBe('late');
    });

    it('one in the line leaves the others where they stand', async () => {
      const { near, far } = await open();
      const first = far.recvText();
      const second = reasonOf(far.recv({ timeout: 2 }));
      const third = far.recvText({ timeout: 20_000 });
      expect(await second).toBeInstanceOf(TimeoutError);
      void near.send('1');
      void near.send('3');
      expect([await first, await third]).toEqual(['1', '3']);
    });

    it('loses nothing of a message that is coming in', async () => {
      const { near, far } = await open();
      const message = pattern(3 * kib * kib);
      const sending = near.send(message);
      // Times out again and again while the message comes in, until it is there whole.
      let received: Uint8Array | undefined;
      while (!received) received = await far.recv({ timeout: 1 }).catch(() => undefined);
      expect(same(received, message)).toBe(true);
      await sending;
    });

    it('undefined and Infinity are none and start no timer', async () => {
      const { near, far } = await open();
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
      const before = timers();
      const waiting = [far.recv(), far.recv({ timeout: undefined }), far.recv({ timeout: Infinity })];
      // Not exactly as many: a timer of another test may have run out meanwhile.
      expect(timers()).toBeLessThanOrEqual(before);
      for (const message of 'abc') void near.send(message);
      expect((await Promise.all(waiting)).map(textOf).join('')).toBe('abc');
    });

    it('over 2^31 work, where the platform has no such timer', async () => {
      const { near, far } = await open();
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const first = watch(far.recv({ timeout: 2 ** 31 + 5000 }));
      await vi.advanceTimersByTimeAsync(2 ** 31 - 1);
      expect(first.state).toBe('pending');
      await vi.advanceTimersByTimeAsync(5000);
      expect(first.state).toBe('pending');
      await vi.advanceTimersByTimeAsync(1);
      expect(first.reason).toBeInstanceOf(TimeoutError);
      const second = far.recvText({ timeout: 2 ** 40 });
      void near.send('in time');
      expect(await second).toBe('in time');
      expect(vi.getTimerCount()).toBe(0);
    });

    it('below 0 and NaN are RangeErrors, other kinds are TypeErrors, each quoted', async () => {
      const { near, far } = await open();
      for (const timeout of [-1, NaN, -Infinity]) {
        const error = await reasonOf(far.recv({ timeout }));
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toContain(String(timeout));
        expect(await reasonOf(far.recv(undefined, timeout))).toBeInstanceOf(RangeError);
        expect(await reasonOf(far.flush({ timeout }))).toBeInstanceOf(RangeError);
        expect(await reasonOf(far.close(undefined, { timeout }))).toBeInstanceOf(RangeError);
      }
      for (const timeout of ['5', null, {}, 5n]) {
        expect(await reasonOf(far.recv({ timeout: timeout as never }))).toBeInstanceOf(TypeError);
      }
      expect(far.readyState).toBe('open');
      void near.send('fine');
      expect(await far.recvText()).toBe('fine');
    });
  });

  describe(`${name}: maxSize of a recv`, () => {
    it('rejects that call, keeps the message and the socket', async () => {
      const { near, far } = await open();
      void near.send(pattern(11));
      void near.send('next');
      await arrived(far, 15);
      for (const call of [far.recv({ maxSize: 10 }), far.recv(10), far.recv(0, 1000)]) {
        const error = await failureOf(call, TooLargeError);
        expect(error.code).toBe('K4NET_TOO_LARGE');
        expect(error.size).toBe(11);
      }
      expect(far.readyState).toBe('open');
      expect(same(await far.recv(11), pattern(11))).toBe(true);
      expect(await far.recvText({ maxSize: 4 })).toBe('next');
    });

    it('also of a call that waits, and the next in line gets the message', async () => {
      const { near, far } = await open();
      const small = reasonOf(far.recv({ maxSize: 10 }));
      const other = reasonOf(far.recv({ maxSize: 12 }));
      const large = far.recv();
      void near.send(pattern(13));
      const errors = (await Promise.all([small, other])) as TooLargeError[];
      expect(errors.map(({ size, limit }) => [size, limit])).toEqual([
        [13, 10],
        [13, 12],
      ]);
      expect(same(await large, pattern(13))).toBe(true);
    });

    it('of 0 takes only empty messages; of Infinity takes all', async () => {
      const { near, far } = await open();
      void near.send('');
      void near.send('x');
      expect((await far.recv({ maxSize: 0 })).length).toBe(0);
      await failure(far.recv({ maxSize: 0 }), 'K4NET_TOO_LARGE');
      expect(await far.recvText({ maxSize: Infinity })).toBe('x');
    });

    it('is a whole number', async () => {
      const { far } = await open();
      for (const maxSize of [-1, 1.5, NaN]) {
        const error = await reasonOf(far.recv({ maxSize }));
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toContain(String(maxSize));
      }
      expect(await reasonOf(far.recv('9' as never))).toBeInstanceOf(TypeError);
      expect(await reasonOf(far.recv(null as never))).toBeInstanceOf(TypeError);
    });
  });

  describe(`${name}: maxSize of the socket`, () => {
    it('accepts exactly that, and breaks both sides at one byte more, after what came before', async () => {
      const { near, far } = await open(undefined, { maxSize: 1000 });
      void near.send(pattern(1000, 1));
      void near.send('');
      void near.send(pattern(1001));
      void near.send('never');
      expect((await far.closed).code).toBe('K4NET_TOO_LARGE');
      expect(same(await far.recv(), pattern(1000, 1))).toBe(true);
      expect((await far.recv()).length).toBe(0);
      const error = await failureOf(far.recv(), TooLargeError);
      expect([error.size, error.limit]).toEqual([1001, 1000]);
      expect(() => far.tryRecv()).toThrow(error);
      expect(await reasonOf(far.send('x'))).toBe(error);
      expect((await far.closed).error).toBe(error);
      // The peer learns of it too: how, depends on the carrier.
      expect((await near.closed).code).not.toBe('K4NET_CLOSED');
      expect(near.readyState).toBe('closed');
    });

    it('ends a loop with the error, after the messages before', async () => {
      const { near, far } = await open(undefined, { maxSize: 5 });
      for (const message of ['one', 'two', 'too long']) void near.send(message);
      const seen: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const message of far) seen.push(textOf(message));
      };
      await failure(loop(), 'K4NET_TOO_LARGE');
      expect(seen).toEqual(['one', 'two']);
    });

    it('settles everyone who waits', async () => {
      const { near, far } = await open(undefined, { maxSize: 5 });
      const waiting = [far.recv(), far.recv(), far.recv({ timeout: 20_000 })];
      void near.send('six678');
      for (const call of waiting) await failure(call, 'K4NET_TOO_LARGE');
    });
  });

  describe(`${name}: loops`, () => {
    it('end quietly at the end of the peer, and close', async () => {
      const { near, far } = await open();
      void near.send('a');
      void near.send('b');
      const ended = near.end();
      expect((await drain(far)).map(textOf)).toEqual(['a', 'b']);
      await ended;
      expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it('leave the socket open at the end of the peer with allowHalfOpen', async () => {
      const { near, far } = await open(undefined, { allowHalfOpen: true });
      void near.send('question');
      void near.end();
      expect((await drain(far)).map(textOf)).toEqual(['question']);
      expect(far.readyState).toBe('open');
      await far.send('answer');
      expect(await near.recvText()).toBe('answer');
      await far.end();
      await Promise.all([near.closed, far.closed]);
    });

    it('leave the socket open at break, and take no message ahead', async () => {
      const { near, far } = await open();
      for (const message of 'abcd') void near.send(message);
      await arrived(far, 20);
      for await (const message of far) {
        expect(textOf(message)).toBe('a');
        break;
      }
      expect(far.readyState).toBe('open');
      expect(await far.recvText()).toBe('b');
      for await (const text of far.texts()) {
        expect(text).toBe('c');
        break;
      }
      expect(await far.recvText()).toBe('d');
      expect(far.stats().messagesReceived).toBe(4);
    });

    it('and a recv inside of them: it takes the next message', async () => {
      const { near, far } = await open();
      for (const message of ['1', 'x', '2', 'y', '3', 'z']) void near.send(message);
      void near.end();
      const seen: string[] = [];
      for await (const message of far) seen.push(textOf(message) + (await far.recvText()));
      expect(seen).toEqual(['1x', '2y', '3z']);
    });

    it('and a recv beside of them: served in the order of the calls', async () => {
      const { near, far } = await open();
      const loop = drain(far);
      await turns();
      const beside = far.recvText();
      for (const message of ['loop', 'beside', 'loop again']) void near.send(message);
      void near.end();
      expect(await beside).toBe('beside');
      expect((await loop).map(textOf)).toEqual(['loop', 'loop again']);
    });

    it('throw when the socket breaks', async () => {
      const pair = await open();
      const loop = reasonOf(drain(pair.far));
      await turns();
      pair.cut();
      expect(K4netError.is(await loop, 'K4NET_CONNECTION')).toBe(true);
    });

    it('end quietly when this side closes', async () => {
      const { near, far } = await open();
      const loop = drain(far);
      const texts = (async () => {
        for await (const text of far.texts()) expect.fail(text);
      })();
      await turns();
      void near.close();
      await far.close();
      expect(await loop).toEqual([]);
      await texts;
    });

    it('over a closed socket end at once', async () => {
      const { near, far } = await open();
      await Promise.all([near.close(), far.close()]);
      expect(await drain(far)).toEqual([]);
    });
  });

  describe(`${name}: backpressure`, () => {
    it('makes send wait when the peer stops reading, and lets it go on when it reads again', async () => {
      const { near, far } = await open();
      const { sent, last } = await fill(near, pattern(32 * kib));
      expect(last.state).toBe('pending');
      const later = watch(near.send('later'));
      await turns(20);
      expect(later.state).toBe('pending');
      for (let i = 0; i < sent; i += 1) await far.recv();
      expect(await far.recvText()).toBe('later');
      await until(() => last.state === 'resolved' && later.state === 'resolved');
      expect(near.bufferedAmount).toBe(0);
    });

    it('keeps bufferedAmount below the mark and one message, in a loop that awaits', async () => {
      const { near } = await open();
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

    it('counts the messages of those who wait', async () => {
      const { near } = await open();
      await fill(near);
      const before = near.bufferedAmount;
      void near.send(pattern(1000));
      void near.send(pattern(50_000));
      expect(near.bufferedAmount).toBe(before + 1004 + 50_004);
    });

    it('stops reading when nobody takes: what is held stays bounded', async () => {
      const { near, far } = await open(undefined, { recvSize: 10_000 });
      await fill(near, pattern(1000));
      // A chunk that was on its way may come after the limit was reached.
      expect(far.stats().bytesReceived).toBeLessThan(10_000 + 2 * 64 * kib + 2000);
    });
  });

  describe(`${name}: flush`, () => {
    it('resolves when everything sent so far is with the layer below', async () => {
      const { near, far } = await open();
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

    it('rejects at its timeout, or with the reason of its signal, and changes nothing', async () => {
      const { near, far } = await open();
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

    it('waits only for what was sent before', async () => {
      const { near, far } = await open();
      const { sent } = await fill(near);
      const flushing = watch(near.flush());
      void near.send(pattern(10));
      await turns(10);
      expect(flushing.state).toBe('pending');
      for (let i = 0; i < sent; i += 1) await far.recv();
      await until(() => flushing.state === 'resolved');
    });
  });

  describe(`${name}: end`, () => {
    it('lets reading go on, and this side send no more', async () => {
      const { near, far } = await open(undefined, { allowHalfOpen: true });
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

    it('comes after every message that was sent, those that wait in line too', async () => {
      const { near, far } = await open({ highWaterMark: 1000 });
      for (let i = 0; i < 50; i += 1) void near.send(pattern(5000, i));
      const ended = near.end();
      const received = await drain(far);
      expect(
        sameAll(
          received,
          Array.from({ length: 50 }, (_, i) => pattern(5000, i)),
        ),
      ).toBe(true);
      await ended;
    });

    it('rejects the recv of the peer only after all was taken', async () => {
      const { near, far } = await open();
      void near.send('one');
      void near.end();
      const calls = [far.recv(), far.recv(), far.recv({ timeout: 20_000 })];
      expect(textOf(await calls[0])).toBe('one');
      await failure(calls[1]!, 'K4NET_CLOSED');
      await failure(calls[2]!, 'K4NET_CLOSED');
    });
  });

  describe(`${name}: close`, () => {
    it('sends the closing message last, and both come to a good end', async () => {
      const { near, far } = await open();
      void near.send('first');
      const closing = near.close('bye');
      expect(near.readyState).toBe('closing');
      expect((await drain(far)).map(textOf)).toEqual(['first', 'bye']);
      await closing;
      expect(near.readyState).toBe('closed');
      expect([await near.closed, await far.closed]).toEqual([
        { code: 'K4NET_CLOSED' },
        { code: 'K4NET_CLOSED' },
      ]);
    });

    it('may have an empty closing message, or one of bytes', async () => {
      for (const last of ['', new Uint8Array([1, 2]), pattern(100 * kib)]) {
        const { near, far } = await open();
        void near.close(last);
        const [only, ...others] = await drain(far);
        expect(only?.length).toBe(last.length);
        expect(others).toEqual([]);
      }
    });

    it('sends what waits in line before it', async () => {
      const { near, far } = await open({ highWaterMark: 100 });
      const sends = Array.from({ length: 20 }, (_, i) => near.send(pattern(3000, i)));
      void near.close('bye');
      const received = await drain(far);
      expect(received.length).toBe(21);
      expect(textOf(received[20])).toBe('bye');
      await Promise.all(sends);
    });

    it('may be called again and again: one close, and the first closing message counts', async () => {
      const { near, far } = await open();
      const closing = [near.close('first'), near.close('second'), near.close()];
      expect((await drain(far)).map(textOf)).toEqual(['first']);
      await Promise.all(closing);
      await near.close('third');
      await near.close();
      await near[Symbol.asyncDispose]();
    });

    it('settles every pending call', async () => {
      const { near, far } = await open();
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

    it('refuses what comes later', async () => {
      const { near, far } = await open();
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

    it('cuts a peer that does not end in time', async () => {
      const { near, far } = await open(undefined, { allowHalfOpen: true });
      const start = near.close('bye', { timeout: 10 });
      expect(await far.recvText()).toBe('bye');
      await start;
      expect((await near.closed).code).toBe('K4NET_TIMEOUT');
      await failure(far.recv(), 'K4NET_CLOSED');
      // Behind the end of a direction nothing is read any more: only a write finds out about the cut.
      while (far.readyState !== 'closed') {
        void far.send('anyone?');
        await turns();
      }
      expect((await far.closed).code).toBe('K4NET_CONNECTION');
    });

    it('with a timeout of 0 cuts at once', async () => {
      const { near, far } = await open();
      await near.close(undefined, { timeout: 0 });
      expect((await near.closed).code).toBe('K4NET_TIMEOUT');
      expect((await far.closed).code).toBe('K4NET_CONNECTION');
    });

    it('cuts earlier when a later call is more in a hurry', async () => {
      const { near } = await open();
      const patient = watch(near.close(undefined, { timeout: Infinity }));
      await turns(5);
      expect(patient.state).toBe('pending');
      await near.close(undefined, { timeout: 0 });
      await until(() => patient.state === 'resolved');
    });

    it('never rejects for a peer that is gone', async () => {
      const pair = await open();
      pair.cut();
      await pair.near.close('bye');
      await pair.far.close();
      expect((await pair.near.closed).code).toBe('K4NET_CONNECTION');
    });

    it('after end() closes too', async () => {
      const { near, far } = await open();
      await near.end();
      const closing = near.close();
      expect(await drain(far)).toEqual([]);
      await closing;
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it('drops what the peer still sends, however much', async () => {
      const { near, far } = await open({ recvSize: 1000 });
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

    it('refuses wrong arguments and then changes nothing', async () => {
      const { near, far } = await open();
      expect(await reasonOf(near.close(5 as never))).toBeInstanceOf(TypeError);
      expect(await reasonOf(near.close('x', { timeout: -1 }))).toBeInstanceOf(RangeError);
      expect(await reasonOf(near.close('x', { timeOut: 1 } as never))).toBeInstanceOf(TypeError);
      expect(near.readyState).toBe('open');
      await near.send('still here');
      expect(await far.recvText()).toBe('still here');
    });

    it('disposal closes and never rejects', async () => {
      const { near, far } = await open();
      const disposing = near[Symbol.asyncDispose]();
      expect(await drain(far)).toEqual([]);
      await disposing;
      expect(near.readyState).toBe('closed');
      const broken = await open();
      broken.cut();
      await broken.near[Symbol.asyncDispose]();
    });

    it('leaves no listener and no timer behind', async () => {
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
      const before = timers();
      const { near, far } = await open();
      const { signal } = new AbortController();
      const pending = [near.recv({ timeout: 30_000, signal }), near.recv({ timeout: 2 ** 33 })].map(reasonOf);
      void near.flush({ timeout: 30_000, signal });
      void far.recv({ timeout: 30_000, signal });
      await turns();
      expect(getEventListeners(signal, 'abort')).toHaveLength(2);
      await Promise.all([near.close(), far.close()]);
      await Promise.all(pending);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      // Not exactly as many: a timer of another test may have run out meanwhile.
      expect(timers()).toBeLessThanOrEqual(before);
    });
  });

  describe(`${name}: signals`, () => {
    it('that have aborted reject at once, with their reason, and send nothing', async () => {
      const { near, far } = await open();
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

    it('end a wait with their reason, whatever it is, and lose nothing', async () => {
      const { near, far } = await open();
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

    it('have one listener a socket, however many wait, and none when nothing waits', async () => {
      const { near, far } = await open();
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

    it('are let go by a timeout too', async () => {
      const { far } = await open();
      const { signal } = new AbortController();
      await failure(far.recv({ signal, timeout: 1 }), 'K4NET_TIMEOUT');
      await turns();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    });

    it('take a send that waits out of the line, unsent, and leave the others in theirs', async () => {
      const { near, far } = await open();
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

    it('do not tear a message that was accepted', async () => {
      const { near, far } = await open();
      // The peer takes nothing, and there is still room below the mark: accepted, and not yet on its way.
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

    it('are AbortSignals', async () => {
      const { near } = await open();
      for (const signal of [null, 'x', {}, new AbortController()]) {
        expect(await reasonOf(near.recv({ signal: signal as never }))).toBeInstanceOf(TypeError);
        expect(await reasonOf(near.send('x', { signal: signal as never }))).toBeInstanceOf(TypeError);
      }
      expect(near.stats().messagesSent).toBe(0);
    });
  });

  describe(`${name}: what breaks`, () => {
    it('settles everything with the cause, after the messages that were whole', async () => {
      const pair = await open(undefined, { highWaterMark: 10 });
      const { near, far } = pair;
      void near.send('whole');
      await arrived(far, 9);
      const flushed = watch(far.flush());
      await until(() => flushed.state === 'resolved');
      pair.cut();
      const info = await far.closed;
      expect(info.code).toBe('K4NET_CONNECTION');
      expect(far.readyState).toBe('closed');
      expect(await far.recvText()).toBe('whole');
      expect(await reasonOf(far.recv())).toBe(info.error);
      expect(await reasonOf(far.send('x'))).toBe(info.error);
      expect(await reasonOf(far.flush())).toBe(info.error);
      expect(() => far.tryRecv()).toThrow(info.error);
      expect(await reasonOf(drain(far))).toBe(info.error);
    });

    it('rejects the recv that waits, and every other', async () => {
      const pair = await open();
      const calls = [pair.far.recv(), pair.far.recvText(), pair.far.recv({ timeout: 20_000 })];
      const waiting = calls.map((call) => failure(call, 'K4NET_CONNECTION'));
      await turns();
      pair.cut();
      await Promise.all(waiting);
    });

    it('never becomes an unhandled rejection of a call that nobody awaits', async () => {
      const unhandled = vi.fn();
      process.on('unhandledRejection', unhandled);
      try {
        const pair = await open();
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
        // A peer that reads nothing cannot see the reset.
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

  describe(`${name}: what it says of itself`, () => {
    it('readyState', async () => {
      const { near, far } = await open();
      expect([near.readyState, far.readyState]).toEqual(['open', 'open']);
      const closing = near.close();
      expect(near.readyState).toBe('closing');
      await far.close();
      await closing;
      expect([near.readyState, far.readyState]).toEqual(['closed', 'closed']);
    });

    it('stats', async () => {
      const { near, far } = await open();
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

    it('ref and unref give the socket back', async () => {
      const { near } = await open();
      expect(near.unref()).toBe(near);
      expect(near.ref()).toBe(near);
    });

    it('refuses options that it does not know, quoted', async () => {
      const { near } = await open();
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

  describeBatches(name, makePair);
}
