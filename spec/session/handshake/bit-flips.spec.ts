import { describe, expect, it } from 'vitest';
import { K4netError } from '../../../lib/errors.js';
import { MemoryEnd } from '../memory-end.js';
import { type Pair, exchange, handshakePair } from '../pairs.js';
import { handshakeNamed, keyPair, vectorClient, vectorServer } from '../vectors.js';

type Side = 'client' | 'server';
interface Mode {
  readonly name: string;
  readonly make: () => Promise<Pair>;
  /** Bytes of each direction whose every bit is flipped. Of others, one bit in five bytes is. */
  readonly full: Readonly<Record<Side, readonly (readonly [from: number, to: number])[]>>;
}

const all = [[0, Infinity]] as const;
/** Flips every bit in every mode, which takes minutes. */
const everyBit = process.env['K4NET_EVERY_BIT'] !== undefined;

async function vectorPair(name: string): Promise<Pair> {
  const base = handshakeNamed(name);
  return { client: new MemoryEnd(await vectorClient(base)), server: new MemoryEnd(await vectorServer(base)) };
}

// Every bit of every kind of message is flipped in at least one mode: KeyRequest and KeyOffer with
// a pin and without one, the hellos where the client has the key, ClientFinished without a key and
// with one, and the confirm.
const modes: Mode[] = [
  { name: 'the key is given', make: () => vectorPair('plain-2048'), full: { client: all, server: all } },
  {
    name: 'the key is asked for and pinned',
    make: () => vectorPair('asked-pinned'),
    full: { client: [[0, 12]], server: [[0, 308]] },
  },
  {
    name: 'the key is asked for, nobody knows it, and the client shows its own',
    make: async () =>
      handshakePair(
        { identity: await keyPair('clientEc'), identifyToUnknownServer: true },
        { clientAuth: 'required' },
      ),
    full: { client: [[0, 12]], server: [[0, 308]] },
  },
  {
    name: 'the client shows a P-256 key',
    make: () => vectorPair('client-ecdsa-required'),
    full: { client: [[402, 480]], server: [[177, Infinity]] },
  },
  {
    name: 'the client shows an RSA key',
    make: () => vectorPair('client-pss2048-required'),
    full: { client: [], server: [] },
  },
];

/** Plays a handshake in which one bit of one direction changes, and the connection then ends. */
async function play(
  mode: Mode,
  side?: Side,
  bit: number = -1,
): Promise<{ pair: Pair; sent: Record<Side, number> }> {
  const pair = await mode.make();
  const sent = { client: 0, server: 0 };
  await pair.client.start();
  await exchange(pair, (from, bytes) => {
    const start = sent[from as Side];
    sent[from as Side] += bytes.length;
    const at = Math.floor(bit / 8) - start;
    if (from !== side || at < 0 || at >= bytes.length) return bytes;
    const changed = bytes.slice();
    changed[at]! ^= 1 << (bit % 8);
    return changed;
  });
  return { pair, sent };
}

async function flip(mode: Mode, side: Side, bit: number): Promise<void> {
  const { pair } = await play(mode, side, bit);
  const receiver = side === 'client' ? pair.server : pair.client;
  const accepted = pair.client.settled && pair.server.settled;
  await pair.client.eof();
  await pair.server.eof();
  const errors = [pair.client.error, pair.server.error];
  const where = `bit ${bit} of the ${side}`;
  expect(accepted, where).toBe(false);
  expect(receiver.error, where).toBeInstanceOf(K4netError);
  for (const error of errors) expect(error?.code, where).not.toBe('K4NET_INTERNAL');
}

describe('a handshake with one changed bit is never accepted', () => {
  describe.each(modes)('$name', (mode) => {
    it.each(['client', 'server'] as const)(
      'when the bit is one of the %s',
      { timeout: everyBit ? 900_000 : 30_000 },
      async (side) => {
        const { pair, sent } = await play(mode);
        expect([pair.client.settled, pair.server.settled]).toEqual([true, true]);
        const bits: number[] = [];
        for (let byte = 0; byte < sent[side]; byte += 1) {
          const every = everyBit || mode.full[side].some(([from, to]) => byte >= from && byte < to);
          for (let bit = 0; bit < 8; bit += 1)
            if (every || (byte * 8 + bit) % 41 === 0) bits.push(byte * 8 + bit);
        }
        for (let start = 0; start < bits.length; start += 16) {
          await Promise.all(bits.slice(start, start + 16).map((bit) => flip(mode, side, bit)));
        }
        expect(bits.length).toBeGreaterThanOrEqual((sent[side] * 8) / 41);
      },
    );
  });
});
