import { K4netError } from '../errors.js';

// A pair is a lead byte (81..9F, E0..FC) and a trail byte (40..7E, 80..FC). The index of a pair is
// its position in the order of lead bytes, then trail bytes.
const trails = 188;
const pairs = 60 * trails;
// NEC's selection of IBM extensions: each of these characters has another pair with a higher index.
const duplicatesFrom = 8272;
const duplicatesTo = 8835;

interface Tables {
  /** From the index of a pair to its character; 0 if there is none. */
  readonly characters: Uint16Array;
  /** From a character to its bytes; 0 if it has none. */
  readonly codes: Uint16Array;
}

let built: Tables | undefined;

function tables(): Tables {
  built ??= build();
  return built;
}

function build(): Tables {
  const characters = new Uint16Array(pairs);
  const codes = new Uint16Array(0x1_0000);
  const decoder = newDecoder();
  for (let index = 0; index < pairs; index += 1) {
    const code = codeOf(index);
    const text = decoder.decode(Uint8Array.of(code >> 8, code));
    const character = text.charCodeAt(0);
    if (text.length !== 1 || character === 0xfffd) continue;
    characters[index] = character;
    const duplicate = index >= duplicatesFrom && index <= duplicatesTo;
    if (!duplicate && codes[character] === 0) codes[character] = code;
  }
  // The decoder is not asked for single bytes, because runtimes differ in 1A, 1C, 7F and 80.
  for (let byte = 0; byte < 0x80; byte += 1) codes[byte] = byte;
  for (let byte = 0xa1; byte <= 0xdf; byte += 1) codes[halfWidth(byte)] = byte;
  return { characters, codes };
}

function newDecoder(): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder('shift_jis');
  } catch (error) {
    throw new K4netError('K4NET_UNSUPPORTED', 'this runtime has no TextDecoder for shift_jis', {
      cause: error,
    });
  }
}

function codeOf(index: number): number {
  const lead = Math.floor(index / trails);
  const trail = index % trails;
  return ((lead + (lead < 0x1f ? 0x81 : 0xc1)) << 8) | (trail + (trail < 0x3f ? 0x40 : 0x41));
}

function indexOf(lead: number, trail: number): number {
  if (trail < 0x40 || trail === 0x7f || trail > 0xfc) return -1;
  return (lead - (lead < 0xa0 ? 0x81 : 0xc1)) * trails + (trail - (trail < 0x7f ? 0x40 : 0x41));
}

function halfWidth(byte: number): number {
  return byte + 0xfec0;
}

/** Whether a byte is the first of a pair. */
export function isLead(byte: number): boolean {
  return (byte >= 0x81 && byte <= 0x9f) || (byte >= 0xe0 && byte <= 0xfc);
}

/** The one or two bytes of a UTF-16 unit as a number; -1 if it has none. */
export function shiftJisCode(unit: number): number {
  const code = tables().codes[unit] ?? 0;
  return code === 0 && unit !== 0 ? -1 : code;
}

/** The text of the bytes, or the offset of the first invalid byte. */
export function decodeShiftJis(bytes: Uint8Array): string | number {
  const { characters } = tables();
  const units: string[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    let unit = 0;
    if (byte < 0x80) unit = byte;
    else if (byte >= 0xa1 && byte <= 0xdf) unit = halfWidth(byte);
    else {
      if (isLead(byte)) unit = characters[indexOf(byte, bytes[at + 1] ?? 0)] ?? 0;
      if (unit === 0) return at;
      at += 1;
    }
    units.push(String.fromCharCode(unit));
  }
  return units.join('');
}
