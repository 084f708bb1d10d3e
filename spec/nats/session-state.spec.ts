import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { flags, kinds, parseFrame, writeHeader, type Kind } from '../../lib/nats/frame.js';
import { SessionState } from '../../lib/nats/session-state.js';
import { concat, pattern, Random, same } from '../support/random.js';

const window = 16 * 1024;

/** One end of a simulated session: a state, what it writes and what it has received. */
class End {
  readonly state = new SessionState(window, window);
  readonly chunks: Uint8Array[] = [];
  readonly outgoing: Uint8Array[] = [];
  /** The frames that it wants to send, which a network takes. */
  readonly sent: Uint8Array[] = [];
  /** Bytes that its reader has not taken. */
  waiting = 0;
  ended = false;

  write(bytes: Uint8Array): void {
    this.outgoing.push(bytes);
  }

  pump(now: number): void {
    this.state.grant(this.waiting, window);
    for (let first = this.outgoing[0]; first; first = this.outgoing[0]) {
      const length = Math.min(first.length, this.state.room(first.length, window, now));
      if (length === 0) break;
      const frame = new Uint8Array(16 + length);
      frame.set(first.subarray(0, length), 16);
      this.state.send(frame, false, now, window);
      this.sent.push(frame);
      if (length === first.length) this.outgoing.shift();
      else this.outgoing[0] = first.subarray(length);
    }
    if (this.outgoing.length === 0 && this.state.sending === 'ending' && this.state.mayEnd(window, now)) {
      const frame = new Uint8Array(16);
      this.state.send(frame, true, now, window);
      this.sent.push(frame);
    }
    if (this.state.grant(this.waiting, window)) this.sent.push(this.state.bare(0));
  }

  receive(message: Uint8Array, now: number): void {
    const frame = parseFrame(message);
    const { isNext, end, answer, again, repeat } = this.state.receive(frame, now);
    if (isNext && frame.data.length > 0) {
      this.chunks.push(frame.data);
      this.waiting += frame.data.length;
    }
    if (isNext && end) {
      this.ended = true;
      this.state.receiving = 'told';
    }
    if (again) this.sent.push(this.state.again(now));
    if (repeat) this.sent.push(...this.state.repeat(now, window));
    if (answer || end) this.sent.push(this.state.bare(0));
  }

  tick(now: number): void {
    const due = this.state.tick(now);
    if (due === 'again') this.sent.push(this.state.again(now));
    else if (due === 'ask') this.sent.push(this.state.bare(flags.ask));
    else if (due === 'have') this.sent.push(this.state.bare(0));
  }
}

/** Carries the frames of both ends, some of them not, twice or late. */
function run(near: End, far: End, random: Random, loss: number): number {
  const late: { frame: Uint8Array; to: End; at: number }[] = [];
  let now = 0;
  let most = 0;
  for (let round = 0; round < 20_000; round += 1) {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.waiting = random.below(3) === 0 ? 0 : from.waiting;
      from.tick(now);
      from.pump(now);
      for (const frame of from.sent.splice(0)) {
        const chance = random.next();
        const copies = chance < loss ? 0 : chance < 2 * loss ? 2 : 1;
        const delay = random.next() < loss ? random.below(8) : 0;
        for (let i = 0; i < copies; i += 1) late.push({ frame: frame.slice(), to, at: round + delay });
      }
    }
    for (const each of late.filter(({ at }) => at <= round)) {
      each.to.receive(each.frame, now);
      most = Math.max(most, each.to.waiting);
    }
    late.splice(0, late.length, ...late.filter(({ at }) => at > round));
    if (near.state.over && far.state.over && near.state.allAcked && far.state.allAcked) return most;
    now += 20;
  }
  throw new Error('the session does not end');
}

const header = (kind: Kind, code: number, at: number, have: number, limit: number): Uint8Array => {
  const frame = new Uint8Array(16);
  writeHeader(frame, kind, code, { at, have, limit });
  return frame;
};

const withData = (at: number, length: number, have = 0): Uint8Array =>
  concat([header(kinds.frame, 0, at, have, window), pattern(length)]);

describe('a session whose frames are lost, doubled and delayed', () => {
  it('delivers all bytes of both directions once and in order, within the window', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(
        fc.integer(),
        sizes,
        sizes,
        fc.constantFrom(0, 0.02, 0.2, 0.4),
        (seed, there, back, loss) => {
          const [near, far] = [new End(), new End()];
          const bytes = [there, back].map((each) => each.map((length, i) => pattern(length, i)));
          for (const [i, end] of [near, far].entries()) {
            for (const each of bytes[i]!) end.write(each);
            end.state.sending = 'ending';
          }
          const most = run(near, far, new Random(seed), loss);
          expect(same(concat(far.chunks), concat(bytes[0]!))).toBe(true);
          expect(same(concat(near.chunks), concat(bytes[1]!))).toBe(true);
          expect([near.ended, far.ended]).toEqual([true, true]);
          expect(most).toBeLessThanOrEqual(window);
        },
      ),
      { numRuns: 150, seed: 2 },
    );
  });

  it('continues beyond 2^32', () => {
    const near = new SessionState(window, window);
    const far = new SessionState(window, window);
    // One frame for all: 4 GiB of new ones would take long.
    const frame = new Uint8Array(16 + window - 128);
    for (let total = 0; total < 2 ** 32 + 10 * window; total += window) {
      if (near.room(window - 128, window, 0) !== window - 128) throw new Error(`no room at ${total}`);
      near.send(frame, false, 0, window);
      const parsed = parseFrame(frame);
      const isNext = [parsed, parsed].map((each) => far.receive(each, 0).isNext);
      if (!isNext[0] || isNext[1]) throw new Error(`wrong order at ${total}`);
      far.grant(0, window);
      near.receive(parseFrame(far.bare(0)), 0);
    }
    expect(near.allAcked).toBe(true);
  });
});

describe('the state of a session refuses', () => {
  it.each([
    ['data over the limit', [withData(0, window)]],
    ['data over the limit behind a gap', [withData(window - 100, 200)]],
    ['a position behind the limit', [header(kinds.frame, 0, window + 1, 0, window)]],
    ['more than was sent as received', [header(kinds.frame, 0, 0, 1, window)]],
    ['data after the end', [header(kinds.frame, flags.end, 0, 0, window), withData(128, 5)]],
    ['a second end', [0, 128].map((at) => header(kinds.frame, flags.end, at, 0, window))],
  ])('%s', (_what, frames) => {
    const state = new SessionState(window, window);
    const call = (): void => {
      for (const frame of frames) state.receive(parseFrame(frame), 0);
    };
    expect(call).toThrow(expect.objectContaining({ code: 'K4NET_MALFORMED' }) as Error);
  });
});

describe('the state of a session', () => {
  it('ignores copies and limits of older frames', () => {
    const state = new SessionState(window, window);
    expect(state.receive(parseFrame(withData(0, 10)), 0).isNext).toBe(true);
    expect(state.receive(parseFrame(withData(0, 10)), 0).isNext).toBe(false);
    state.receive(parseFrame(header(kinds.frame, 0, 138, 0, 5)), 0);
    expect(state.room(100, 10 * window, 0)).toBe(window - 128);
  });

  it('asks for the same place once in 300 ms', () => {
    const state = new SessionState(window, window);
    const behind = parseFrame(withData(500, 10));
    const asks = (now: number): boolean => {
      const { again } = state.receive(behind, now);
      if (again) state.again(now);
      return again;
    };
    expect([0, 10, 299, 300, 310].map(asks)).toEqual([true, false, false, true, false]);
  });

  it('repeats at most four windows in 300 ms for a peer that asks all the time', () => {
    const state = new SessionState(window, window);
    for (let i = 0; i < 10; i += 1) state.send(new Uint8Array(1016), false, 0, window);
    let bytes = 0;
    const again = parseFrame(header(kinds.again, 0, 0, 0, window));
    for (let i = 0; i < 1_000; i += 1) {
      if (!state.receive(again, 0).repeat) continue;
      for (const frame of state.repeat(0, window)) bytes += frame.length;
    }
    expect(bytes).toBeGreaterThan(3 * window);
    expect(bytes).toBeLessThan(6 * window);
    expect(state.repeat(300, window)).toHaveLength(10);
  });

  it('sends no more than its own window, whatever the peer grants', () => {
    const state = new SessionState(window, 2 ** 31 - 1);
    let sent = 0;
    for (let room = state.room(1e9, window, 0); room > 0; room = state.room(1e9, window, 0)) {
      const frame = new Uint8Array(16 + Math.min(room, 1_000));
      state.send(frame, false, 0, window);
      sent += frame.length - 16 + 128;
    }
    expect(sent).toBeGreaterThan(window / 2);
    expect(sent).toBeLessThanOrEqual(window);
  });

  it('survives any frames, or refuses them with K4NET_MALFORMED', () => {
    const u32 = fc.oneof(
      fc.nat(0xffff_ffff),
      fc.nat(40_000),
      fc.constantFrom(0, 128, 138, 2 ** 31, 2 ** 32 - 1),
    );
    const frame = fc.record({
      kind: fc.constantFrom(kinds.frame, kinds.again),
      bits: fc.nat(3),
      at: u32,
      have: u32,
      limit: u32,
      length: fc.nat(300),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 30 }), (frames) => {
        const end = new End();
        for (let i = 0; i < 5; i += 1) end.write(pattern(1_000));
        let taken = 0;
        try {
          for (const [now, { kind, bits, at, have, limit, length }] of frames.entries()) {
            const isFrame = kind === kinds.frame;
            const start = header(kind, isFrame ? bits : 0, at, have, limit);
            end.receive(isFrame ? concat([start, pattern(length)]) : start, now * 50);
            end.tick(now * 50);
            end.pump(now * 50);
            taken = end.sent.reduce((sum, each) => sum + each.length, 0);
          }
        } catch (error) {
          if (!K4netError.is(error, 'K4NET_MALFORMED')) throw error;
        }
        expect(end.waiting).toBeLessThanOrEqual(window);
        expect(taken).toBeLessThanOrEqual(frames.length * 4 * window);
      }),
      { numRuns: 2_000, seed: 3 },
    );
  });
});
