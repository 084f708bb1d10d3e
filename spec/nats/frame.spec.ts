import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { K4netError } from '../../lib/errors.js';
import { bareFrame, flags, kinds, parseFrame, writeHeader } from '../../lib/nats/frame.js';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('parseFrame', () => {
  it('reads the frames of the example in the protocol', () => {
    expect(parseFrame(hex('04000000 85000000 05010000 85000400 0100000061'))).toEqual({
      kind: kinds.frame,
      code: 0,
      at: 0x85,
      have: 0x105,
      limit: 0x40085,
      data: hex('0100000061'),
    });
    const open = parseFrame(hex('01010000 00000000 00000000 00000400'));
    expect(open).toMatchObject({ kind: kinds.open, code: 1, limit: 262_144 });
  });

  it('takes positions modulo 2^32', () => {
    const frame = bareFrame(kinds.frame, flags.ask, {
      at: 2 ** 32 + 5,
      have: 2 ** 33 + 7,
      limit: 2 ** 32 - 1,
    });
    expect(parseFrame(frame)).toMatchObject({ code: flags.ask, at: 5, have: 7, limit: 2 ** 32 - 1 });
  });

  it.each([
    ['an empty message', ''],
    ['a frame that is too short', '04000000 00000000 00000000 000004'],
    ['the kind 0', '00000000 00000000 00000000 00000400'],
    ['the kind 7', '07000000 00000000 00000000 00000400'],
    ['a third byte that is not 0', '04000100 00000000 00000000 00000400'],
    ['a fourth byte that is not 0', '04000001 00000000 00000000 00000400'],
    ['an unknown bit of a frame', '04040000 00000000 00000000 00000400'],
    ['a second byte of a reset', '05010000 00000000 00000000 00000400'],
    ['a second byte of an again', '06010000 00000000 00000000 00000400'],
    ['data behind an open', '01010000 00000000 00000000 00000400 61'],
    ['data behind an again', '06000000 00000000 00000000 00000400 61'],
    ['a frame over 32 KiB', `04000000 00000000 00000000 00000400 ${'61'.repeat(32_753)}`],
  ])('rejects %s', (_what, text) => {
    expect(() => parseFrame(hex(text))).toThrow(
      expect.objectContaining({ code: 'K4NET_MALFORMED' }) as Error,
    );
  });

  it('takes any bytes as a frame or rejects them with K4NET_MALFORMED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const { kind, code, at, have, limit, data } = parseFrame(bytes);
          const again = new Uint8Array(16 + data.length);
          writeHeader(again, kind, code, { at, have, limit });
          again.set(data, 16);
          expect(again).toEqual(Uint8Array.from(bytes));
        } catch (error) {
          if (!K4netError.is(error, 'K4NET_MALFORMED')) throw error;
        }
      }),
      { numRuns: 2_000, seed: 1 },
    );
  });
});
