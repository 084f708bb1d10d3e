import { createDecipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../lib/util/bytes.js';
import { type CipherChoice, chooseBackend } from '../../../lib/crypto/choose-backend.js';
import { writeNonce } from '../../../lib/session/record/format.js';
import { MemoryEnd, kindOfError, splitUnits } from '../memory-end.js';
import { framed } from '../pairs.js';
import {
  type VectorCase,
  type VectorHandshake,
  handshakeNamed,
  hex,
  toHex,
  vectorClient,
  vectorServer,
  vectors,
} from '../vectors.js';

interface Prepared {
  readonly end: MemoryEnd;
  /** Records of epoch 1 that the receiver has sent already. */
  readonly confirms: number;
}

/** Brings the receiver to where the case begins. */
async function prepare(test: VectorCase, base: VectorHandshake, cipher: CipherChoice): Promise<Prepared> {
  const machine =
    test.receiver === 'client'
      ? await vectorClient(base, cipher)
      : await vectorServer(base, undefined, cipher);
  const end = new MemoryEnd(machine, test.config ?? {});
  await end.start();
  const other = base.units.filter(({ from }) => from !== test.receiver);
  for (const { body } of other.slice(0, test.after)) await end.feed(framed(hex(body)));
  const own = base.units.filter(({ from }) => from === test.receiver);
  const sent = splitUnits(end.takeSent()).map(toHex);
  const same = own.slice(0, sent.length);
  expect(
    same.map(({ body }) => body),
    'sends the very bytes of the base',
  ).toEqual(sent);
  return { end, confirms: same.filter(({ name }) => name === 'confirm').length };
}

/** The code of the alert in a unit, and its offset. */
function readAlert(unit: Bytes, test: VectorCase, base: VectorHandshake, ownEpochOne: number): unknown {
  if (unit[0] === 0x4b) return { alert: unit[6], in: 'clear' };
  const epoch = unit[0] === 0x41 ? 0 : 1;
  // With another ClientHello than the base's there are other keys, which the test cannot know.
  if (test.receiver === 'server' && test.after === 0)
    return { alert: test.expect.alert, in: `epoch ${epoch}` };
  const { key, iv } = base[epoch === 0 ? 'epoch0' : 'epoch1'][test.receiver];
  const nonce = new Uint8Array(12);
  writeNonce(nonce, hex(iv), 0, epoch === 0 ? 0 : ownEpochOne);
  const decipher = createDecipheriv('aes-256-gcm', hex(key), nonce);
  decipher.setAAD(framed(unit).subarray(0, 5));
  decipher.setAuthTag(unit.subarray(-16));
  const plaintext = decipher.update(unit.subarray(1, -16));
  decipher.final();
  expect(plaintext[0]).toBe(3);
  return { alert: plaintext[4], in: `epoch ${epoch}` };
}

let ran = 0;

async function run(test: VectorCase, cipher: CipherChoice, bytewise: boolean): Promise<MemoryEnd> {
  const base = handshakeNamed(test.base);
  const { end, confirms } = await prepare(test, base, cipher);
  const bytes = hex(test.bytes);
  if (bytewise) for (const byte of bytes) await end.feed(new Uint8Array([byte]));
  else await end.feed(bytes);
  if (test.eof) await end.eof();
  ran += 1;

  if (test.expect.kind === 'closed') {
    expect(end.error).toBeUndefined();
    expect(end.closed).toBe(true);
    expect(end.messages.map(toHex)).toEqual(test.delivered);
    return end;
  }
  expect(kindOfError(end.error)).toBe(test.expect.kind);
  const sent = splitUnits(end.takeSent());
  if (test.expect.alert === null) {
    // A server that got a ClientHello has answered it; nothing else is ever sent without an alert.
    const answered = test.receiver === 'server' && test.after === 0 && test.bytes !== '';
    expect(sent.map((unit) => unit[4])).toEqual(answered ? [4, sent[1]?.[4]] : []);
  } else {
    expect(readAlert(sent.at(-1)!, test, base, confirms)).toEqual({
      alert: test.expect.alert,
      in: test.expect.in,
    });
  }
  return end;
}

const node = chooseBackend().sync;

describe('the cases of the vectors', () => {
  const { negative, orderly } = vectors;

  it('are 231 that are refused and 26 that are accepted', () => {
    expect([negative.length, orderly.length]).toEqual([231, 26]);
  });

  describe.each([
    ['received as a whole', 'auto', false],
    ['received byte by byte', 'auto', true],
    ['received with the webcrypto cipher', 'webcrypto', false],
  ] as const)('%s', (_name, cipher, bytewise) => {
    it.each(negative)('make the $receiver refuse: $name', async (test) => {
      await run(test, cipher, bytewise);
    });
    it.each(orderly)('make the $receiver accept: $name', async (test) => {
      await run(test, cipher, bytewise);
    });
  });

  it('all run three times', () => {
    expect(node).toBe(true);
    expect(ran).toBe(3 * (negative.length + orderly.length));
  });
});
