import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import { turns } from '../support/recorder.js';
import { arrived, failure, reasonOf, receiveAll, textOf } from '../support/sockets.js';
import { useFixture, type FixtureArguments } from '../support/fixture.js';

/** The rules of `for await` loops over messages and over batches, for every message socket. */
export function describeLoops(name: string, ...[kind, options]: FixtureArguments): void {
  const fixture = useFixture(kind, options);

  describe(`${name}: loops`, () => {
    it('ends a loop at the end of the peer and closes the socket', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('a');
      void near.send('b');
      const ended = near.end();
      expect((await receiveAll(far)).map(textOf)).toEqual(['a', 'b']);
      await ended;
      expect(await far.closed).toEqual({ code: 'K4NET_CLOSED' });
      expect(await near.closed).toEqual({ code: 'K4NET_CLOSED' });
    });

    it('keeps the socket open at the end of the peer with allowHalfOpen (half-close)', async () => {
      const { near, far } = await fixture.socketPair(undefined, { allowHalfOpen: true });
      void near.send('question');
      void near.end();
      expect((await receiveAll(far)).map(textOf)).toEqual(['question']);
      expect(far.readyState).toBe('open');
      await far.send('answer');
      expect(await near.recvText()).toBe('answer');
      await far.end();
      await Promise.all([near.closed, far.closed]);
    });

    it('keeps the socket open at break and takes no message ahead', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('gives the next message to a recv inside a loop', async () => {
      const { near, far } = await fixture.socketPair();
      for (const message of ['1', 'x', '2', 'y', '3', 'z']) void near.send(message);
      void near.end();
      const seen: string[] = [];
      for await (const message of far) seen.push(textOf(message) + (await far.recvText()));
      expect(seen).toEqual(['1x', '2y', '3z']);
    });

    it('serves a loop and a recv in the order of the calls', async () => {
      const { near, far } = await fixture.socketPair();
      const loop = receiveAll(far);
      await turns();
      const beside = far.recvText();
      for (const message of ['loop', 'beside', 'loop again']) void near.send(message);
      void near.end();
      expect(await beside).toBe('beside');
      expect((await loop).map(textOf)).toEqual(['loop', 'loop again']);
    });

    it('throws in a loop when the connection fails', async () => {
      const pair = await fixture.socketPair();
      const loop = reasonOf(receiveAll(pair.far));
      await turns();
      pair.cut();
      expect(K4netError.is(await loop, fixture.cutCode)).toBe(true);
    });

    it('ends a loop without an error when this side closes', async () => {
      const { near, far } = await fixture.socketPair();
      const loop = receiveAll(far);
      const texts = (async () => {
        for await (const text of far.texts()) expect.fail(text);
      })();
      await turns();
      void near.close();
      await far.close();
      expect(await loop).toEqual([]);
      await texts;
    });

    it('ends a loop over a closed socket at once', async () => {
      const { near, far } = await fixture.socketPair();
      await Promise.all([near.close(), far.close()]);
      expect(await receiveAll(far)).toEqual([]);
    });
  });

  describe(`${name}: batches`, () => {
    it('gives all messages that have arrived, and at least one', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('gives every message in order together with recv calls between batches', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('keeps the socket open at break, and later messages in the inbox', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('first');
      for await (const batch of far.batches()) {
        expect(batch.map(textOf)).toEqual(['first']);
        break;
      }
      expect(far.readyState).toBe('open');
      await near.send('second');
      expect(await far.recvText()).toBe('second');
    });

    it('ends after the last message of the peer', async () => {
      const { near, far } = await fixture.socketPair();
      void near.send('last');
      void near.end();
      const seen: string[] = [];
      for await (const batch of far.batches()) seen.push(...batch.map(textOf));
      expect(seen).toEqual(['last']);
      await near.close();
      expect(await receiveAll(far)).toEqual([]);
    });

    it('gives at most 1024 messages in a batch', async () => {
      const { near, far } = await fixture.socketPair();
      for (let i = 0; i < 2500; i += 1) void near.send('');
      await arrived(far, 10_000);
      const lengths: number[] = [];
      for await (const batch of far.batches()) {
        lengths.push(batch.length);
        if (lengths.length === 3) break;
      }
      expect(lengths).toEqual([1024, 1024, 452]);
    });

    it('loses no message when a QueueSocket takes the socket over meanwhile', async () => {
      const { near, far } = await fixture.socketPair();
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

    it('ends when this side closes', async () => {
      const { near, far } = await fixture.socketPair();
      const loop = near.batches().next();
      const returned = near.batches().return?.();
      await turns();
      void far.close();
      await near.close();
      expect(await loop).toEqual({ done: true, value: undefined });
      expect(await returned).toEqual({ done: true, value: undefined });
    });

    it('throws when the connection fails, without an unhandled rejection', async () => {
      const pair = await fixture.socketPair();
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
      expect(K4netError.is(await breaking, fixture.cutCode)).toBe(true);
    });
  });
}

function textsOf(result: IteratorResult<Uint8Array[], void>): string[] {
  return result.done ? [] : result.value.map(textOf);
}
