import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { K4netError, type K4netErrorCode } from '../../lib/errors.js';
import { maxBytesPerTurn, type Transport } from '../../lib/transport/transport.js';
import { concat, pattern, Random, same, split } from '../support/random.js';
import { RecordingSink, turns } from '../support/recorder.js';

/** The two ends of one connection before attach. */
export interface TransportPair {
  readonly near: Transport;
  readonly far: Transport;
  /** Frees servers, files and processes of the transport. */
  readonly dispose?: () => Promise<void>;
}

/** The features of a transport. */
export interface TransportAbilities {
  /** One direction can end while the other stays open (half-close). */
  readonly halfClose: boolean;
  /** The peer of an aborted transport can tell the abort from a clean end. */
  readonly reset: boolean;
  /** The error of the peer when a transport is aborted with a cause. Default: K4NET_CONNECTION. */
  readonly resetCode?: K4netErrorCode;
  /** The most bytes in flight while the reader takes nothing, buffers of the system included. */
  readonly inFlight: number;
}

const kib = 1024;

/** The rules of `Transport` for every implementation. Both ends must follow them. */
export function describeTransport(
  name: string,
  makePair: () => Promise<TransportPair>,
  abilities: TransportAbilities,
): void {
  describe(name, () => {
    let pair: TransportPair;
    let near: Transport;
    let far: Transport;
    let nearSink: RecordingSink;
    let farSink: RecordingSink;

    beforeEach(async () => {
      pair = await makePair();
      ({ near, far } = pair);
      nearSink = new RecordingSink();
      farSink = new RecordingSink();
    });

    afterEach(async () => {
      near.abort();
      far.abort();
      await pair.dispose?.();
    });

    const attachBoth = (): void => {
      near.attach(nearSink);
      far.attach(farSink);
    };

    /** Writes everything with backpressure, and resolves at the last `done`. */
    const writeAll = async (parts: readonly (readonly Uint8Array[])[]): Promise<void> => {
      let finished = 0;
      for (const each of parts) {
        const drains = nearSink.drains;
        const more = near.write(each, () => {
          finished += 1;
          nearSink.onEvent();
        });
        if (!more) await nearSink.until(() => nearSink.drains > drains);
      }
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (finished === parts.length) resolve();
        };
        nearSink.onEvent = look;
        look();
      });
    };

    /** Writes until `write` returns false and no drain follows for many turns. */
    const writeUntilFull = async (piece: Uint8Array, limit: number): Promise<number> => {
      let written = 0;
      let quiet = 0;
      let full = false;
      let drains = nearSink.drains;
      while (quiet < 50 && written <= limit) {
        if (nearSink.drains > drains) full = false;
        if (full) {
          quiet += 1;
          await turns();
          continue;
        }
        quiet = 0;
        drains = nearSink.drains;
        written += piece.length;
        full = !near.write([piece]);
      }
      return written;
    };

    describe('writing', () => {
      it('keeps the order of many writes, however they are cut into parts', async () => {
        attachBoth();
        const random = new Random(1);
        const writes: Uint8Array[][] = [];
        for (let i = 0; i < 600; i += 1) {
          const bytes = random.bytes(random.pick([1, 2, 7, 100, 1000, 5000, 20_000]));
          writes.push(split(bytes, random, random.pick([1 * bytes.length, 64, 1000, 10_000])));
        }
        const sent = concat(writes.flat());
        await Promise.all([writeAll(writes), farSink.untilReceived(sent.length)]);
        expect(same(farSink.bytes, sent)).toBe(true);
        expect(farSink.events).toEqual(['data']);
      });

      it('calls done once for each write, in order, in a later turn', async () => {
        attachBoth();
        const order: number[] = [];
        const random = new Random(2);
        let total = 0;
        let inWrite = true;
        for (let i = 0; i < 100; i += 1) {
          const parts = split(pattern(1 + random.below(3000), i), random, 800);
          total += concat(parts).length;
          near.write(parts, () => {
            expect(inWrite).toBe(false);
            order.push(i);
          });
        }
        inWrite = false;
        await Promise.all([farSink.untilReceived(total), until(() => order.length >= 100)]);
        await turns(5);
        expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
      });

      it('lets the caller reuse the bytes after done', async () => {
        attachBoth();
        const random = new Random(3);
        const expected: Uint8Array[] = [];
        let pending = 0;
        let total = 0;
        for (let i = 0; i < 60; i += 1) {
          const mine = random.bytes(random.pick([10, 4000, 40_000]));
          expected.push(mine.slice());
          // Callers often send a Buffer, whose slice() does not copy.
          const lent = i % 2 === 0 ? mine : Buffer.from(mine.buffer);
          total += mine.length;
          pending += 1;
          near.write(split(lent, random, 15_000), () => {
            mine.fill(0xee);
            pending -= 1;
          });
        }
        await Promise.all([farSink.untilReceived(total), until(() => pending === 0)]);
        expect(same(farSink.bytes, concat(expected))).toBe(true);
      });

      it('carries both directions at once', async () => {
        attachBoth();
        const there = pattern(700 * kib, 1);
        const back = pattern(500 * kib, 2);
        far.write([back]);
        near.write([there]);
        await Promise.all([farSink.untilReceived(there.length), nearSink.untilReceived(back.length)]);
        expect(same(farSink.bytes, there)).toBe(true);
        expect(same(nearSink.bytes, back)).toBe(true);
      });

      it('never overwrites a chunk that it gave to the sink', async () => {
        attachBoth();
        const kept: Uint8Array[] = [];
        farSink.onData = (chunk) => {
          kept.push(chunk.slice());
          return true;
        };
        const random = new Random(4);
        let total = 0;
        for (let i = 0; i < 50; i += 1) {
          const bytes = random.bytes(3000);
          total += bytes.length;
          near.write([bytes]);
          if (i % 10 === 0) await farSink.untilReceived(total);
        }
        await farSink.untilReceived(total);
        expect(same(farSink.bytes, concat(kept))).toBe(true);
      });
    });

    describe('backpressure', () => {
      it('delivers nothing more after data() returned false until resume()', async () => {
        attachBoth();
        farSink.onData = () => false;
        const bytes = pattern(300 * kib);
        near.write([bytes]);
        let calls = 0;
        while (farSink.received < bytes.length) {
          await farSink.until(() => farSink.chunks.length > calls);
          calls = farSink.chunks.length;
          await turns(3);
          expect(farSink.chunks.length).toBe(calls);
          far.resume();
        }
        expect(same(farSink.bytes, bytes)).toBe(true);
      });

      it('returns false from write, bounds the bytes in flight, and calls drain when there is room', async () => {
        attachBoth();
        farSink.onData = () => false;
        const piece = pattern(32 * kib);
        const written = await writeUntilFull(piece, abilities.inFlight);
        expect(written).toBeLessThanOrEqual(abilities.inFlight);
        expect(farSink.chunks.length).toBeLessThanOrEqual(1);
        const drains = nearSink.drains;
        farSink.onData = () => true;
        far.resume();
        await Promise.all([nearSink.until(() => nearSink.drains > drains), farSink.untilReceived(written)]);
        await turns(3);
        expect(nearSink.drains).toBe(drains + 1);
        expect(farSink.received).toBe(written);
      });

      it('does not call drain when no write returned false', async () => {
        attachBoth();
        expect(near.write([pattern(10)])).toBe(true);
        await farSink.untilReceived(10);
        await turns(5);
        expect(nearSink.drains).toBe(0);
      });

      it('allows resume() at any time, also without a pause', async () => {
        attachBoth();
        far.resume();
        far.resume();
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        far.resume();
        near.write([pattern(10)]);
        await farSink.untilReceived(20);
        expect(farSink.events).toEqual(['data']);
      });
    });

    describe('ending', () => {
      it('delivers everything written before the end, then the end', async () => {
        attachBoth();
        const bytes = pattern(400 * kib);
        near.write([bytes]);
        near.end();
        await farSink.untilEnd();
        expect(same(farSink.bytes, bytes)).toBe(true);
        expect(farSink.events).toEqual(['data', 'end']);
      });

      it('holds back the end of a paused direction', async () => {
        attachBoth();
        farSink.onData = () => false;
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        near.write([pattern(10)]);
        near.end();
        await turns(10);
        expect(farSink.events).toEqual(['data']);
        farSink.onData = () => true;
        far.resume();
        await farSink.untilEnd();
        expect(farSink.received).toBe(20);
      });

      it.runIf(abilities.halfClose)('ends one direction and leaves the other open, either way', async () => {
        attachBoth();
        near.write([pattern(5)]);
        near.end();
        await farSink.untilEnd();
        const bytes = pattern(200 * kib);
        far.write([bytes]);
        await nearSink.untilReceived(bytes.length);
        expect(same(nearSink.bytes, bytes)).toBe(true);
        await turns(5);
        expect(nearSink.events).toEqual(['data']);
        expect(farSink.events).toEqual(['data', 'end']);
        far.end();
        await Promise.all([nearSink.untilClose(), farSink.untilClose()]);
      });

      it.runIf(abilities.halfClose)('writes much after the peer has ended, stopped and resumed', async () => {
        attachBoth();
        far.end();
        await nearSink.untilEnd();
        const writes = Array.from({ length: 50 }, (_, i) => [pattern(20_000, i)]);
        farSink.onData = () => {
          setImmediate(() => {
            far.resume();
          });
          return false;
        };
        await Promise.all([writeAll(writes), farSink.untilReceived(50 * 20_000)]);
        expect(same(farSink.bytes, concat(writes.flat()))).toBe(true);
      });

      it('closes without a cause, once and last, when both directions have ended', async () => {
        attachBoth();
        near.write([pattern(10)]);
        near.end();
        await farSink.untilEnd();
        far.end();
        await Promise.all([nearSink.untilClose(), farSink.untilClose()]);
        await turns(5);
        expect(nearSink.cause).toBeUndefined();
        expect(farSink.cause).toBeUndefined();
        expect(nearSink.events).toEqual(['end', 'close']);
        expect(farSink.events).toEqual(['data', 'end', 'close']);
      });

      it('closes without a cause when both end at once', async () => {
        attachBoth();
        near.write([pattern(10)]);
        far.write([pattern(10)]);
        near.end();
        far.end();
        await Promise.all([nearSink.untilClose(), farSink.untilClose()]);
        expect([nearSink.cause, farSink.cause]).toEqual([undefined, undefined]);
        expect(nearSink.events).toEqual(['data', 'end', 'close']);
        expect(farSink.events).toEqual(['data', 'end', 'close']);
      });

      it('allows a second end()', async () => {
        attachBoth();
        near.end();
        near.end();
        await farSink.untilEnd();
        far.end();
        await Promise.all([nearSink.untilClose(), farSink.untilClose()]);
        expect([nearSink.cause, farSink.cause]).toEqual([undefined, undefined]);
      });
    });

    describe('a turn of the event loop', () => {
      it.each([
        { what: 'takes everything', pauses: false },
        { what: 'pauses after every chunk and resumes in the same turn', pauses: true },
      ])(
        'ends after maxBytesPerTurn although more has arrived, with a sink that $what',
        async ({ pauses }) => {
          const total = 8 * 1024 * kib;
          const most = maxBytesPerTurn + 384 * kib;
          let [inTurn, longest, counting] = [0, 0, true];
          const count = (): void => {
            longest = Math.max(longest, inTurn);
            inTurn = 0;
            if (counting) setImmediate(count);
          };
          farSink.onData = () => false;
          attachBoth();
          for (let at = 0; at < total; at += 64 * kib) near.write([pattern(64 * kib)]);
          await farSink.until(() => farSink.received > 0);
          await turns(50);
          farSink.onData = (chunk) => {
            inTurn += chunk.length;
            if (!pauses) return true;
            queueMicrotask(() => {
              far.resume();
            });
            return false;
          };
          count();
          far.resume();
          await farSink.untilReceived(total);
          counting = false;
          expect(longest).toBeLessThanOrEqual(most);
        },
      );
    });

    describe('aborting', () => {
      const reason = new K4netError('K4NET_TIMEOUT', 'the test has its reasons');

      it('closes its own sink with the given cause, in a later turn, once and last', async () => {
        attachBoth();
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        near.abort(reason);
        near.abort();
        expect(nearSink.closes).toBe(0);
        await nearSink.untilClose();
        await turns(5);
        expect(nearSink.cause).toBe(reason);
        expect(nearSink.events).toEqual(['close']);
      });

      it('has a default cause', async () => {
        attachBoth();
        near.abort();
        await nearSink.untilClose();
        expect(K4netError.is(nearSink.cause, 'K4NET_CONNECTION')).toBe(true);
      });

      it.runIf(abilities.reset)('reports a failed connection to the peer', async () => {
        attachBoth();
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        near.abort(reason);
        await farSink.untilClose();
        await turns(5);
        expect(farSink.cause?.code).toBe(abilities.resetCode ?? 'K4NET_CONNECTION');
        expect(farSink.events).toEqual(['data', 'close']);
      });

      it.runIf(!abilities.reset)('closes the peer too, after an end or an error', async () => {
        attachBoth();
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        near.abort(reason);
        await farSink.until(() => farSink.ends + farSink.closes > 0);
        far.end();
        await farSink.untilClose();
        expect(farSink.closes).toBe(1);
        expect(farSink.events.at(-1)).toBe('close');
      });

      it('delivers nothing after close although the peer still writes', async () => {
        attachBoth();
        for (let i = 0; i < 20; i += 1) far.write([pattern(10_000)]);
        await nearSink.until(() => nearSink.received > 0);
        const received = nearSink.received;
        near.abort(reason);
        far.write([pattern(10_000)]);
        far.end();
        await nearSink.untilClose();
        await turns(10);
        expect(nearSink.received).toBe(received);
        expect(nearSink.events).toEqual(['data', 'close']);
      });

      it('works from inside data()', async () => {
        attachBoth();
        farSink.onData = () => {
          far.abort(reason);
          return true;
        };
        near.write([pattern(300 * kib)]);
        await farSink.untilClose();
        expect(farSink.chunks.length).toBe(1);
        expect(farSink.cause).toBe(reason);
        expect(farSink.events).toEqual(['data', 'close']);
      });

      it('does not call done for dropped writes', async () => {
        attachBoth();
        farSink.onData = () => false;
        await writeUntilFull(pattern(32 * kib), abilities.inFlight);
        let done = 0;
        near.write([pattern(100 * kib)], () => {
          done += 1;
        });
        near.abort(reason);
        await nearSink.untilClose();
        await turns(5);
        expect(done).toBe(0);
      });

      it('turns every later call into a no-op', async () => {
        attachBoth();
        near.abort(reason);
        await nearSink.untilClose();
        expect(near.write([pattern(10)])).toBe(true);
        near.end();
        near.resume();
        near.abort();
        near.ref();
        near.unref();
        await turns(5);
        expect(nearSink.events).toEqual(['close']);
      });
    });

    describe('attaching', () => {
      it('delivers nothing inside attach(), even if bytes have arrived', async () => {
        far.attach(farSink);
        far.write([pattern(100)]);
        far.end();
        await turns(10);
        near.attach(nearSink, pattern(3));
        expect(nearSink.events).toEqual([]);
        await nearSink.untilEnd();
        expect(nearSink.received).toBe(103);
      });

      it('closes a sink that is attached after an abort', async () => {
        near.abort();
        near.attach(nearSink);
        expect(nearSink.events).toEqual([]);
        await nearSink.untilClose();
        expect(K4netError.is(nearSink.cause, 'K4NET_CONNECTION')).toBe(true);
      });

      /**
       * Takes `portion` bytes with one sink and hands the rest over to the next one, as a handshake
       * does when the first messages of the session arrive behind its own.
       */
      const relay = async (portion: number, says: boolean): Promise<void> => {
        near.attach(nearSink);
        const bytes = pattern(200 * kib);
        const taken: Uint8Array[] = [];
        const end = new RecordingSink();
        let sinks = 0;
        const next = (): RecordingSink => {
          sinks += 1;
          if (sinks > 20) {
            end.onData = (chunk) => {
              taken.push(chunk);
              return true;
            };
            return end;
          }
          const sink = new RecordingSink();
          let missing = portion;
          sink.onData = (chunk) => {
            const part = chunk.subarray(0, missing);
            missing -= part.length;
            taken.push(part);
            if (missing > 0) return true;
            // The result of the old sink must not pause the new one.
            far.attach(next(), chunk.subarray(part.length));
            return says;
          };
          return sink;
        };
        far.attach(next());
        near.write([bytes.subarray(0, 100 * kib)]);
        await turns(3);
        near.write([bytes.subarray(100 * kib)]);
        near.end();
        await end.untilEnd();
        expect(sinks).toBe(21);
        expect(same(concat(taken), bytes)).toBe(true);
      };

      it('hands over from sink to sink: the surplus first, nothing lost or repeated', async () => {
        await relay(100, true);
      });

      it('hands over from a sink whose last data() returned false', async () => {
        await relay(100, false);
      });

      it('hands over between chunks', async () => {
        await relay(1000, true);
      });

      it('calls the old sink no more after a hand-over', async () => {
        attachBoth();
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        const second = new RecordingSink();
        far.attach(second);
        near.write([pattern(10)]);
        near.end();
        await second.untilEnd();
        far.end();
        await second.untilClose();
        expect(farSink.events).toEqual(['data']);
        expect(second.events).toEqual(['data', 'end', 'close']);
      });

      it('resumes a direction that the old sink had paused', async () => {
        attachBoth();
        farSink.onData = () => false;
        near.write([pattern(10)]);
        await farSink.untilReceived(10);
        near.write([pattern(10)]);
        const second = new RecordingSink();
        far.attach(second);
        await second.untilReceived(10);
        expect(farSink.received).toBe(10);
      });

      it('pauses when data() returns false for the surplus', async () => {
        near.attach(nearSink);
        farSink.onData = () => false;
        far.attach(farSink, pattern(5));
        near.write([pattern(10)]);
        await farSink.until(() => farSink.received > 0);
        await turns(10);
        expect(farSink.received).toBe(5);
        far.resume();
        await farSink.untilReceived(15);
      });
    });
  });
}

/** Waits for a condition that no sink reports, one turn of the event loop at a time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns();
}
