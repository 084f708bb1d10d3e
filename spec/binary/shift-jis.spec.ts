import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { MalformedError } from '../../lib/errors.js';
import { hex, thrownBy } from './cases.js';
import { python } from './python.js';

const encoding = 'shift_jis';

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new BinaryReader(bytes).readString({ encoding, size: bytes.length, pad: 1 });
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

function encode(text: string): string {
  const writer = new BinaryWriter();
  writer.writeString(text, { encoding, pad: 1 });
  return hex(writer.data).slice(0, -2);
}

/** Every sequence of one or two bytes that is one character, with it. */
function table(): Map<string, string> {
  const found = new Map<string, string>();
  for (let first = 0; first <= 0xff; first += 1) {
    if (first === 1) continue;
    const single = decode(Uint8Array.of(first));
    if (single !== undefined) found.set(hex(Uint8Array.of(first)), single);
    for (let second = 0; second <= 0xff && single === undefined; second += 1) {
      const pair = Uint8Array.of(first, second);
      const text = decode(pair);
      if (text !== undefined) found.set(hex(pair), text);
    }
  }
  return found;
}

describe('shift_jis', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it('maps every character to one canonical code and back', () => {
    const all = table();
    expect(all.size).toBe(127 + 63 + 9604);
    const codes = new Map<string, string[]>();
    for (const [bytes, text] of all) {
      expect(text).toHaveLength(1);
      codes.set(text, [...(codes.get(text) ?? []), bytes]);
    }
    for (const [text, [...candidates]] of codes) {
      const usual = candidates.filter((code) => !code.startsWith('ed') && !code.startsWith('ee'));
      expect(usual.length, candidates.join()).toBeGreaterThan(0);
      expect(encode(text)).toBe(usual.sort()[0]);
    }
  });

  it('maps single bytes like ASCII and JIS X 0201', () => {
    for (let byte = 0; byte < 0x80; byte += 1) {
      if (byte !== 1) expect(decode(Uint8Array.of(byte))).toBe(String.fromCharCode(byte));
    }
    expect(encode('\\~\x7f\x1a\x1c')).toBe('5c7e7f1a1c');
    expect(decode(Uint8Array.of(0xa1, 0xdf))).toBe('\uff61\uff9f');
  });

  it.skipIf(python === undefined)('is cp932 as Python has it, but for five bytes', () => {
    const script = [
      'import sys',
      'for a in range(256):',
      '  for b in [None, *range(256)]:',
      '    raw = bytes([a]) if b is None else bytes([a, b])',
      '    try: text = raw.decode("cp932")',
      '    except UnicodeDecodeError: continue',
      '    if len(text) == 1 and a != 1: print(raw.hex(), "%04x" % ord(text), text.encode("cp932").hex())',
    ].join('\n');
    const { stdout } = spawnSync(python ?? '', ['-c', script], { encoding: 'utf8' });
    const theirs = new Map<string, string>();
    for (const line of stdout.trim().split(/\r?\n/)) {
      const [raw = '', character = '', canonical = ''] = line.split(' ');
      if (['80', 'a0', 'fd', 'fe', 'ff'].includes(raw)) continue;
      const text = String.fromCharCode(Number.parseInt(character, 16));
      theirs.set(raw, text);
      // For characters with two codes, Python writes the code that the Encoding Standard omits.
      if (!/^e[de]/.test(canonical)) expect(encode(text)).toBe(canonical);
    }
    expect([...table()].sort()).toEqual([...theirs].sort());
  });

  it('throws K4NET_UNSUPPORTED in a runtime without it, where other encodings still work', async () => {
    const Real = TextDecoder;
    class Poor extends Real {
      constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }) {
        if (label === 'shift_jis') throw new RangeError(`no ${label}`);
        super(label, options);
      }
    }
    vi.resetModules();
    vi.stubGlobal('TextDecoder', Poor);
    const reader = await import('../../lib/binary/reader.js');
    const writer = await import('../../lib/binary/writer.js');
    const target = new writer.BinaryWriter();
    expect(
      thrownBy(() => {
        target.writeString('a', { encoding });
      }),
    ).toMatchObject({ code: 'K4NET_UNSUPPORTED' });
    target.writeString('a');
    const source = new reader.BinaryReader(target.data);
    expect(thrownBy(() => source.readString({ encoding }))).toMatchObject({ code: 'K4NET_UNSUPPORTED' });
    expect(source.readString()).toBe('a');
  });
});
