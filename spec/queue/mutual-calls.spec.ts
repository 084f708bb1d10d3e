import { describe, expect, it } from 'vitest';
import type { BinaryReader } from '../../lib/binary/reader.js';
import type { QueueSocket } from '../../lib/queue/queue-socket.js';
import { type QueuePair, tcpKinds, useFixture } from '../support/fixture.js';
import { pattern, same } from '../support/random.js';

/** Without a call timeout, a deadlock exceeds the limit of the test. */
const patient = { callTimeout: Infinity };
const large = 100 * 1024;
/** Size of the nested call of a callback. */
const small = 1024;

/** A payload unique to the call. All share one pattern, which makes them cheap. */
const basis = pattern(large, 5);
function payloadOf(side: string, index: number, length: number): Uint8Array {
  const bytes = basis.slice(0, length);
  bytes.set(new TextEncoder().encode(`${side}${index};`).subarray(0, length));
  return bytes;
}

/** A different payload of the same length. */
function answerTo(payload: Uint8Array, step: number): Uint8Array {
  const answer = payload.slice();
  answer.set(payload.subarray(0, 8).map((byte) => byte ^ step));
  return answer;
}

/** Makes so many calls at once, and counts the answers that are right. */
async function callAll(from: QueueSocket, side: string, count: number, length: number) {
  const checks = Array.from({ length: count }, async (_, index) => {
    const payload = payloadOf(side, index, length);
    const answer = await from.call('nested', payload);
    return same(answer.read(), answerTo(payload, 3));
  });
  return (await Promise.all(checks)).filter(Boolean).length;
}

describe.each(tcpKinds)('two queue sockets that call each other, %s', (kind) => {
  const fixture = useFixture(kind);

  let pair: QueuePair;

  async function begin(): Promise<void> {
    pair = await fixture.queuePair({ near: patient, far: patient });
    for (const queue of [pair.near, pair.far]) {
      queue.registerCallback('leaf', (reader: BinaryReader) => answerTo(reader.read(), 1), {
        concurrency: Infinity,
      });
      // Its answer depends on an answer of the calling end.
      queue.registerCallback('nested', async (reader, { socket }) => {
        const payload = reader.read();
        const answer = await socket.call('leaf', payload.subarray(0, small));
        return Buffer.concat([answerTo(answer.read(), 2), payload.subarray(small)]);
      });
      queue.start();
    }
  }

  async function bothCall(count: number, length: number): Promise<void> {
    await begin();
    const { near, far } = pair;
    const right = await Promise.all([
      callAll(near, 'near', count, length),
      callAll(far, 'far', count, length),
    ]);
    expect(right).toEqual([count, count]);
    for (const queue of [near, far]) {
      expect(queue.stats()).toMatchObject({ callsInFlight: 0, requestsInFlight: 0, callbacksFailed: 0 });
    }
    await Promise.all([near.close(), far.close()]);
  }

  it('do not deadlock with 1,000 calls each of 100 KiB in both directions, whose callbacks call back', async () => {
    await bothCall(1000, large);
  }, 60_000);

  it('do not deadlock with 5,000 small calls each, whose callbacks call back', async () => {
    await bothCall(5000, 20);
  });
});
