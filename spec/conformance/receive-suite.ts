import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MalformedError, TimeoutError, TooLargeError } from '../../lib/errors.js';
import type { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { pattern, same, sameAll } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { arrived, failure, failureOf, reasonOf, textOf, until, watch } from '../support/sockets.js';
import { useFixture, type FixtureArguments } from '../support/fixture.js';

const kib = 1024;

/** The rules of messages and of receiving them, for every message socket. */
export function describeReceiving(name: string, ...[kind, options]: FixtureArguments): void {
  const fixture = useFixture(kind, options);

  // Hooks run from the last to the first: pairs are closed with the real timers.
  afterEach(() => {
    vi.useRealTimers();
  });

  describe(`${name}: messages`, () => {
    it('receives each message as it was sent, in the order of the send calls', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('carries messages of random sizes and rhythms in both directions at once', async () => {
      const { near, far } = await fixture.socketPair({ highWaterMark: 20_000 }, { recvSize: 5000 });
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

    it('serves recv calls in order when they come before the messages', async () => {
      const { near, far } = await fixture.socketPair();
      const waiting = Array.from({ length: 50 }, () => far.recvText());
      await turns(2);
      for (let i = 0; i < 50; i += 1) void near.send(String(i));
      expect(await Promise.all(waiting)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    });

    it('keeps the order of send calls when only some have a signal', async () => {
      const { near, far } = await fixture.socketPair({ highWaterMark: 4 * kib });
      const { signal } = new AbortController();
      const sends = Array.from({ length: 60 }, (_, i) =>
        near.send(pattern(1 + (i % 7) * 500, i), i % 3 === 0 ? { signal } : undefined),
      );
      for (let i = 0; i < 60; i += 1)
        expect(same(await far.recv(), pattern(1 + (i % 7) * 500, i))).toBe(true);
      await Promise.all(sends);
    });

    it('sends and receives empty messages', async () => {
      const { near, far } = await fixture.socketPair();
      for (const message of ['', new Uint8Array(0), '', 'end']) void near.send(message);
      const lengths = [await far.recv(), await far.recv(), await far.recv(), await far.recv()];
      expect(lengths.map((message) => message.length)).toEqual([0, 0, 0, 3]);
    });

    it('returns every message as a plain Uint8Array', async () => {
      const { near, far } = await fixture.socketPair();
      for (const message of [Buffer.from('a'), pattern(100 * kib), '', 'text']) void near.send(message);
      for (let i = 0; i < 4; i += 1) expect((await far.recv()).constructor).toBe(Uint8Array);
      void near.send(Buffer.from('b'));
      await arrived(far, near.stats().bytesSent);
      expect(far.tryRecv()?.constructor).toBe(Uint8Array);
    });

    it('lets the caller reuse the buffer once send has resolved', async () => {
      const { near, far } = await fixture.socketPair();
      for (const size of [10, 5000, 100 * kib, 600 * kib]) {
        for (const mine of [pattern(size, 1), Buffer.from(pattern(size, 1))]) {
          const received = far.recv();
          await near.send(mine);
          mine.fill(0xee);
          expect(same(await received, pattern(size, 1))).toBe(true);
        }
      }
    });

    it('sends text as UTF-8 and keeps a byte order mark', async () => {
      const { near, far } = await fixture.socketPair();
      const text = '\ufeffgrüße, 世界 \u{1f600}\0';
      void near.send(text);
      expect(await far.recvText()).toBe(text);
      void near.send(text);
      expect(same(await far.recv(), new TextEncoder().encode(text))).toBe(true);
    });

    it('consumes a message that is not UTF-8 and rejects recvText with its bytes', async () => {
      const { near, far } = await fixture.socketPair();
      const bad = new Uint8Array([0x61, 0xff, 0xfe]);
      void near.send(bad);
      void near.send('good');
      const error = await failureOf(far.recvText(), MalformedError);
      expect(error.code).toBe('K4NET_MALFORMED');
      expect(same(error.data, bad)).toBe(true);
      expect(await far.recvText()).toBe('good');
    });

    it('ends a texts() loop with an error at the first message that is not UTF-8', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('rejects a message that is neither bytes nor text', async () => {
      const { near, far } = await fixture.socketPair();
      for (const wrong of [1, null, undefined, {}, [1, 2], new ArrayBuffer(3), new Uint16Array(2), true]) {
        expect(await reasonOf(near.send(wrong as never))).toBeInstanceOf(TypeError);
      }
      await near.send('right');
      expect(await far.recvText()).toBe('right');
      expect(near.stats().messagesSent).toBe(1);
    });
  });

  describe(`${name}: tryRecv`, () => {
    it('returns a message that has arrived and never waits', async () => {
      const { near, far } = await fixture.socketPair();
      expect(far.tryRecv()).toBeUndefined();
      void near.send('one');
      void near.send('');
      await arrived(far, 11);
      expect(textOf(far.tryRecv())).toBe('one');
      expect(far.tryRecv()?.length).toBe(0);
      expect(far.tryRecv()).toBeUndefined();
    });

    it('throws the error of recv once every message was taken', async () => {
      const { near, far } = await fixture.socketPair(undefined, { allowHalfOpen: true });
      void near.send('last');
      void near.end();
      const first = watch(far.recv());
      await until(() => first.state !== 'pending');
      const after = await failure(far.recv(), 'K4NET_CLOSED');
      expect(() => far.tryRecv()).toThrow(after);
    });
  });

  describe(`${name}: the timeout of recv`, () => {
    it('returns a message that has arrived, or rejects at once, when the timeout is 0', async () => {
      const { near, far } = await fixture.socketPair();
      const error = await failureOf(far.recv({ timeout: 0 }), TimeoutError);
      expect(error.code).toBe('K4NET_TIMEOUT');
      expect(error.timeout).toBe(0);
      void near.send('here');
      await arrived(far, 8);
      expect(textOf(await far.recv({ timeout: 0 }))).toBe('here');
      await failure(far.recv(undefined, 0), 'K4NET_TIMEOUT');
    });

    it('rejects at a finite timeout and loses no message', async () => {
      const { near, far } = await fixture.socketPair();
      expect((await failureOf(far.recv({ timeout: 3 }), TimeoutError)).timeout).toBe(3);
      await failure(far.recv(100, 1), 'K4NET_TIMEOUT');
      void near.send('late');
      expect(await far.recvText({ timeout: 20_000 })).toBe('late');
    });

    it('keeps the order of the other recv calls when one times out', async () => {
      const { near, far } = await fixture.socketPair();
      const first = far.recvText();
      const second = reasonOf(far.recv({ timeout: 2 }));
      const third = far.recvText({ timeout: 20_000 });
      expect(await second).toBeInstanceOf(TimeoutError);
      void near.send('1');
      void near.send('3');
      expect([await first, await third]).toEqual(['1', '3']);
    });

    it('keeps the bytes of a message that has arrived in part when recv times out', async () => {
      const { near, far } = await fixture.socketPair();
      const message = pattern(3 * kib * kib);
      const sending = near.send(message);
      // recv times out many times while the message arrives.
      let received: Uint8Array | undefined;
      while (!received) received = await far.recv({ timeout: 1 }).catch(() => undefined);
      expect(same(received, message)).toBe(true);
      await sending;
    });

    it('starts no timer for a timeout of undefined or Infinity', async () => {
      const { near, far } = await fixture.socketPair();
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
      const before = timers();
      const waiting = [far.recv(), far.recv({ timeout: undefined }), far.recv({ timeout: Infinity })];
      // At most as many as before: a timer of another test can expire meanwhile.
      expect(timers()).toBeLessThanOrEqual(before);
      for (const message of 'abc') void near.send(message);
      expect((await Promise.all(waiting)).map(textOf).join('')).toBe('abc');
    });

    it('supports a timeout over 2^31 ms, which a platform timer cannot hold', async () => {
      const { near, far } = await fixture.socketPair();
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
      // Some carriers have a timer of their own while the connection is open.
      await Promise.all([near.close(), far.close()]);
      await until(() => vi.getTimerCount() === 0);
    });

    it('rejects a negative timeout or NaN with a RangeError and other types with a TypeError', async () => {
      const { near, far } = await fixture.socketPair();
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

  describe(`${name}: maxSize of one recv`, () => {
    it('rejects the call and keeps both the message and the socket', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('rejects a waiting call and gives the message to the next one', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('takes only empty messages at 0 and every message at Infinity', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('');
      void near.send('x');
      expect((await far.recv({ maxSize: 0 })).length).toBe(0);
      await failure(far.recv({ maxSize: 0 }), 'K4NET_TOO_LARGE');
      expect(await far.recvText({ maxSize: Infinity })).toBe('x');
    });

    it('rejects a value that is not a whole number from 0 up', async () => {
      const { far } = await fixture.socketPair();
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
    it('accepts a message of exactly maxSize and fails both sides at one byte more, after the earlier messages', async () => {
      const { near, far } = await fixture.socketPair(undefined, { maxSize: 1000 });
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
      // The error that the peer gets depends on the transport.
      expect((await near.closed).code).not.toBe('K4NET_CLOSED');
      expect(near.readyState).toBe('closed');
    });

    it('ends a loop with the error after the earlier messages', async () => {
      const { near, far } = await fixture.socketPair(undefined, { maxSize: 5 });
      for (const message of ['one', 'two', 'too long']) void near.send(message);
      const seen: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const message of far) seen.push(textOf(message));
      };
      await failure(loop(), 'K4NET_TOO_LARGE');
      expect(seen).toEqual(['one', 'two']);
    });

    it('rejects every waiting recv', async () => {
      const { near, far } = await fixture.socketPair(undefined, { maxSize: 5 });
      const waiting = [far.recv(), far.recv(), far.recv({ timeout: 20_000 })];
      void near.send('six678');
      for (const call of waiting) await failure(call, 'K4NET_TOO_LARGE');
    });
  });
}
