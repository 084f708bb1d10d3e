import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import {
  arrived,
  drain,
  failure,
  fill,
  pairOpener,
  reasonOf,
  textOf,
  until,
  type MakeSocketPair,
} from '../support/sockets.js';

const kib = 1024;

/** The rules of sending without a wait and of receiving many at a time, for every message socket. */
export function describeBatches(name: string, makePair: MakeSocketPair): void {
  const open = pairOpener(makePair);

  describe(`${name}: trySend`, () => {
    it('sends in the order of all calls', async () => {
      const { near, far } = await open();
      expect(near.trySend('one')).toBe(true);
      void near.send('two');
      expect(near.trySend(new Uint8Array([51]))).toBe(true);
      expect(near.trySend('')).toBe(true);
      expect(near.stats().messagesSent).toBe(4);
      for (const text of ['one', 'two', '3', '']) expect(await far.recvText()).toBe(text);
    });

    it.each([1, 16 * kib, 16 * kib + 1, 200 * kib])(
      'leaves a buffer of %i bytes to the caller at once',
      async (size) => {
        const { near, far } = await open();
        const message = pattern(size);
        expect(near.trySend(message)).toBe(true);
        message.fill(0);
        expect(same(await far.recv(), pattern(size))).toBe(true);
      },
    );

    it('does nothing while senders have to wait, and goes on after them', async () => {
      const { near, far } = await open();
      const { sent, last } = await fill(near);
      const before = [near.stats().messagesSent, near.bufferedAmount];
      expect(near.trySend('no')).toBe(false);
      expect([near.stats().messagesSent, near.bufferedAmount]).toEqual(before);
      for (let i = 0; i < sent; i += 1) await far.recv();
      await until(() => last.state === 'resolved');
      expect(near.trySend('yes')).toBe(true);
      expect(await far.recvText()).toBe('yes');
    });

    it('is a loop that fills no memory', async () => {
      const { near } = await open();
      const message = pattern(1000);
      let tries = 0;
      while (tries < 10_000 && near.trySend(message)) tries += 1;
      expect(tries).toBeGreaterThan(100);
      expect(tries).toBeLessThan(10_000);
      expect(near.bufferedAmount).toBeLessThan(256 * kib + 1004);
    });

    it('throws what send rejects with', async () => {
      const { near, far } = await open();
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

    it('throws what broke the socket', async () => {
      const pair = await open();
      void pair.far.recv().catch(() => undefined);
      await pair.near.send('x');
      pair.cut();
      const { error } = await pair.near.closed;
      expect(error).toBeInstanceOf(K4netError);
      expect(() => pair.near.trySend('x')).toThrow(error);
    });
  });

  describe(`${name}: batches`, () => {
    it('are all messages that are here, and one at least', async () => {
      const { near, far } = await open();
      for (const text of ['a', '', 'c']) void near.send(text);
      await arrived(far, 14);
      const loop = far.batches();
      expect(textsOf(await loop.next())).toEqual(['a', '', 'c']);
      expect(far.stats().messagesReceived).toBe(3);
      const next = loop.next();
      await turns();
      void near.send('d');
      expect(textsOf(await next)).toEqual(['d']);
      await loop.return?.();
    });

    it('bring everything, in order, with what recv takes between them', async () => {
      const { near, far } = await open();
      const count = 20_000;
      const sending = (async () => {
        for (let i = 0; i < count; i += 1) if (!near.trySend(String(i))) await near.send(String(i));
        await near.end();
      })();
      const seen: string[] = [];
      let most = 0;
      for await (const batch of far.batches()) {
        most = Math.max(most, batch.length);
        for (const message of batch) seen.push(textOf(message));
        if (seen.length < count && seen.length % 7 === 0) seen.push(await far.recvText());
      }
      await sending;
      expect(seen).toEqual(Array.from({ length: count }, (_, i) => String(i)));
      expect(most).toBeGreaterThan(1);
    });

    it('leave the socket open at break, with what came later', async () => {
      const { near, far } = await open();
      void near.send('first');
      for await (const batch of far.batches()) {
        expect(batch.map(textOf)).toEqual(['first']);
        break;
      }
      expect(far.readyState).toBe('open');
      await near.send('second');
      expect(await far.recvText()).toBe('second');
    });

    it('end with the peer, after its last message', async () => {
      const { near, far } = await open();
      void near.send('last');
      void near.end();
      const seen: string[] = [];
      for await (const batch of far.batches()) seen.push(...batch.map(textOf));
      expect(seen).toEqual(['last']);
      await near.close();
      expect(await drain(far)).toEqual([]);
    });

    it('are at most 1024 messages', async () => {
      const { near, far } = await open();
      for (let i = 0; i < 2500; i += 1) void near.send('');
      await arrived(far, 10_000);
      const lengths: number[] = [];
      for await (const batch of far.batches()) {
        lengths.push(batch.length);
        if (lengths.length === 3) break;
      }
      expect(lengths).toEqual([1024, 1024, 452]);
    });

    it('lose nothing to an owner that comes meanwhile', async () => {
      const { near, far } = await open();
      void near.send('first');
      void near.send('second');
      await arrived(far, 19);
      const loop = far.batches();
      const next = loop.next();
      new QueueSocket(far);
      expect(textsOf(await next)).toEqual(['first', 'second']);
      await failure(
        Promise.resolve().then(() => loop.next()),
        'K4NET_STATE',
      );
    });

    it('end when this side closes', async () => {
      const { near, far } = await open();
      const loop = near.batches().next();
      const returned = near.batches().return?.();
      await turns();
      void far.close();
      await near.close();
      expect(await loop).toEqual({ done: true, value: undefined });
      expect(await returned).toEqual({ done: true, value: undefined });
    });

    it('throw when the socket breaks, which nobody has to hear', async () => {
      const pair = await open();
      const { near, far } = pair;
      await near.send('x');
      for await (const batch of far.batches()) {
        expect(batch).toHaveLength(1);
        break;
      }
      void far.batches().next();
      const breaking = reasonOf(far.batches().next());
      await turns();
      pair.cut();
      expect(K4netError.is(await breaking, 'K4NET_CONNECTION')).toBe(true);
    });
  });
}

function textsOf(result: IteratorResult<Uint8Array[], void>): string[] {
  return result.done ? [] : result.value.map(textOf);
}
