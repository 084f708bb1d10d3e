import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import {
  encodeCancel,
  encodeFailure,
  encodeKeepalive,
  encodeRegistered,
  isControl,
  nameLength,
} from '../../lib/queue/envelope.js';
import { pattern, same } from '../support/random.js';
import { turns } from '../support/recorder.js';
import { socketKinds, useFixture } from '../support/fixture.js';
import { ErrorLog, encodeAnswer, encodeRequest } from '../support/queue.js';
import { until, watch } from '../support/sockets.js';

const mib = 1024 * 1024;
const mark = [0x00, 0x4b, 0x51];

const crashes: unknown[] = [];
const onCrash = (reason: unknown): void => void crashes.push(reason);

beforeAll(() => {
  process.on('unhandledRejection', onCrash);
  process.on('uncaughtExceptionMonitor', onCrash);
});

afterAll(() => {
  process.off('unhandledRejection', onCrash);
  process.off('uncaughtExceptionMonitor', onCrash);
});

const bytes = fc.uint8Array({ maxLength: 40 });
/** Few numbers, so that they collide. */
const id = fc.oneof(fc.nat(8), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const known = fc.constantFrom('slow', 'quick', 'fails', 'calls', 'nobody');

/** Messages that a peer can send, valid or not. */
const messages: Record<string, fc.Arbitrary<Uint8Array>> = {
  'no NUL': bytes.map((each) => each.map((byte) => byte || 1)),
  empty: fc.constant(new Uint8Array(0)),
  'random bytes': bytes,
  'a name that is not ASCII': fc
    .tuple(bytes, bytes)
    .map(([a, b]) => Uint8Array.from([0x61, 0xc3, ...a, 0, ...b])),
  'an empty name': bytes.map((each) => Uint8Array.from([0, ...each])),
  'a name that is too long': fc
    .nat(300)
    .map((n) => Uint8Array.from([...Array<number>(256 + n).fill(0x61), 0, 1])),
  'a name without a callback': bytes.map((each) => encodeRegistered('unknown', each)),
  'a message for a callback': bytes.map((each) => encodeRegistered('known', each)),
  'a control message of any type': fc
    .tuple(fc.nat(255), bytes)
    .map(([t, b]) => Uint8Array.from([...mark, t, ...b])),
  'a control message that is cut': fc
    .tuple(fc.integer({ min: 1, max: 5 }), id, known, fc.nat(12))
    .map(([type, number, name, length]) => {
      const whole = encodeRequest(number, name, new Uint8Array(0));
      whole[3] = type;
      return whole.subarray(0, Math.max(3, length));
    }),
  'a request': fc.tuple(id, known, bytes).map(([number, name, each]) => encodeRequest(number, name, each)),
  'an answer': fc.tuple(id, bytes).map(([number, each]) => encodeAnswer(number, each)),
  'a failure': fc
    .tuple(id, fc.string(), bytes)
    .map(([number, text, data]) => Uint8Array.from([...encodeFailure(number, 'E', text), ...data])),
  'a cancel': id.map(encodeCancel),
  'a keepalive': fc.constant(encodeKeepalive()),
};

const mixture = fc.array(fc.oneof(...Object.values(messages)), { minLength: 20, maxLength: 120 });

/** The expected receiver of a message, computed independently of the library. */
function isRaw(message: Uint8Array): boolean {
  if (isControl(message)) return false;
  const length = nameLength(message, 0, message.length);
  return Buffer.from(message.subarray(0, Math.max(0, length))).toString('latin1') !== 'known';
}

describe.each(socketKinds)('a QueueSocket, %s, with a hostile peer', (carrier) => {
  const fixture = useFixture(carrier);

  afterEach(async () => {
    await fixture.release();
    expect(crashes.splice(0)).toEqual([]);
  });

  /** A socket with callbacks of all kinds. */
  async function victim() {
    const errors = new ErrorLog();
    const { queue, peer } = await fixture.queueWithPeer({
      onError: errors.onError,
      unmatched: 'queue',
      maxQueuedMessages: 30,
      maxQueuedBytes: 4000,
      requestConcurrency: 4,
    });
    const seen: Uint8Array[] = [];
    queue.registerCallback('known', async (reader) => {
      const payload = reader.read().slice();
      if (payload.length % 3 === 0) await turns();
      seen.push(payload);
    });
    queue.registerCallback('quick', (reader) => reader.read());
    queue.registerCallback('slow', async (reader) => {
      await turns(2);
      return reader.read();
    });
    queue.registerCallback('fails', () => {
      throw new K4netError('K4NET_STATE', 'as it should');
    });
    queue.registerCallback('calls', async (_, { socket, signal }) =>
      (await socket.call('back', '', { signal, timeout: 15 })).read(),
    );
    queue.start();
    const raw: Uint8Array[] = [];
    const loop = watch(
      (async () => {
        for await (const message of queue) raw.push(message.slice());
      })(),
    );
    return { queue, peer, errors, seen, raw, loop };
  }

  it('delivers valid messages in order from any mixture, and ends with a typed error otherwise', async () => {
    await fc.assert(
      fc.asyncProperty(mixture, fc.infiniteStream(fc.nat(6)), async (list, rhythm) => {
        const { queue, peer, errors, seen, raw, loop } = await victim();
        const reading = watch(
          (async () => {
            for await (const message of peer) expect(isControl(message)).toBe(true);
          })(),
        );
        const calls = Array.from({ length: 4 }, (_, i) =>
          watch(queue.call('x', `${i}`, { timeout: 20 + i })),
        );
        for (const message of list) {
          const sending = peer.send(message);
          const pace = rhythm.next().value as number;
          if (pace === 0) await turns();
          if (pace === 1) await sending;
        }
        const wantedRaw = list.filter(isRaw);
        const prefix = Buffer.from('known\0');
        const wanted = list.filter((each) => !isControl(each) && !isRaw(each));
        await until(() => raw.length >= wantedRaw.length && seen.length >= wanted.length);
        expect(raw.every((each, i) => same(each, wantedRaw[i]!))).toBe(true);
        expect(seen.every((each, i) => same(each, wanted[i]!.subarray(prefix.length)))).toBe(true);
        await until(() => calls.every(({ state }) => state !== 'pending'));
        for (const { state, reason } of calls)
          expect(state === 'resolved' || K4netError.is(reason)).toBe(true);
        await until(() => queue.stats().requestsInFlight === 0 && queue.stats().requestQueue.messages === 0);
        for (const { error } of errors.entries) expect(K4netError.is(error), String(error)).toBe(true);
        // And it works as usual.
        expect([queue.readyState, loop.state, reading.state]).toEqual(['open', 'pending', 'pending']);
        expect([raw.length, seen.length]).toEqual([wantedRaw.length, wanted.length]);
        void peer.send(encodeRegistered('known', pattern(100)));
        await until(() => seen.length > wanted.length);
        expect(same(seen.at(-1)!, pattern(100))).toBe(true);
        expect(queue.stats().callsInFlight).toBe(0);
        await Promise.all([peer.close(), queue.closed]);
        await until(() => loop.state === 'resolved');
      }),
      { seed: 71, numRuns: carrier === 'plain in memory' ? 40 : 12 },
    );
  });

  it('handles a name of 1 MiB', async () => {
    const { queue, peer, raw } = await victim();
    const long = new Uint8Array(mib).fill(0x61);
    const ended = new Uint8Array(mib + 1).fill(0x61);
    ended[mib] = 0;
    const nuls = new Uint8Array(mib);
    const control = new Uint8Array(mib).fill(0x61);
    control.set([...mark, 1, 0, 0, 0, 0]);
    for (const message of [long, ended, nuls, control]) void peer.send(message);
    await until(() => raw.length === 3);
    for (const [i, message] of [long, ended, nuls].entries()) expect(same(raw[i]!, message)).toBe(true);
    await until(() => queue.stats().messagesReceived === 4);
    expect(queue.readyState).toBe('open');
  });
});
