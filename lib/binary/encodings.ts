import { decodeUtf8 } from '../util/bytes.js';
import { decodeShiftJis, isLead, shiftJisCode } from './shift-jis.js';

/** The encodings of text, by name. */
export type StringEncoding = 'utf-8' | 'ascii' | 'latin1' | 'utf-16le' | 'shift_jis';

/** An encoding of text. */
export interface Codec {
  readonly name: StringEncoding;
  /** Size of a code unit and of a pad in bytes. */
  readonly unit: 1 | 2;
  /** Highest pad that never occurs inside a multi-byte character. */
  readonly padLimit: number;
  /** Throws a RangeError for a character that the encoding lacks. */
  encode(text: string): Uint8Array;
  /** The text, or the offset of the first invalid bytes (for UTF-8 and UTF-16: -1). */
  decode(bytes: Uint8Array): string | number;
  /** Length of the longest prefix of at most `size` bytes that ends with a whole character. */
  cut(bytes: Uint8Array, size: number): number;
}

const utf8Encoder = new TextEncoder();
const utf16Decoder = new TextDecoder('utf-16le', { fatal: true, ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;

function refuse(name: StringEncoding, text: string, at: number): RangeError {
  const point = text.codePointAt(at) ?? 0;
  const hex = point.toString(16).toUpperCase().padStart(4, '0');
  return new RangeError(`${name} has no character U+${hex} at index ${at}`);
}

function refuseLoneSurrogates(name: StringEncoding, text: string): void {
  const at = text.search(loneSurrogate);
  if (at !== -1) throw refuse(name, text, at);
}

/** An encoding with one byte a character, which is its code point. */
function singleByte(name: 'ascii' | 'latin1', limit: number): Codec {
  return {
    name,
    unit: 1,
    padLimit: limit,
    encode(text) {
      const bytes = new Uint8Array(text.length);
      for (let at = 0; at < text.length; at += 1) {
        const code = text.charCodeAt(at);
        if (code > limit) throw refuse(name, text, at);
        bytes[at] = code;
      }
      return bytes;
    },
    decode(bytes) {
      const bad = limit === 0xff ? -1 : bytes.findIndex((byte) => byte > limit);
      return bad === -1 ? fromLatin1(bytes) : bad;
    },
    cut: (_bytes, size) => size,
  };
}

// TextDecoder cannot decode it: its `latin1` is windows-1252.
function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  // In parts, because the arguments of one call must fit on the stack.
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** The bytes of a short ASCII text, such as a name. Faster than TextEncoder. */
function shortAscii(text: string): Uint8Array | undefined {
  if (text.length > 48) return undefined;
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return undefined;
    bytes[at] = code;
  }
  return bytes;
}

export const utf8: Codec = {
  name: 'utf-8',
  unit: 1,
  padLimit: 0x7f,
  encode(text) {
    const short = shortAscii(text);
    if (short !== undefined) return short;
    refuseLoneSurrogates('utf-8', text);
    return utf8Encoder.encode(text);
  },
  decode(bytes) {
    try {
      return decodeUtf8(bytes);
    } catch {
      return -1;
    }
  },
  cut(bytes, size) {
    let end = size;
    while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
    return end;
  },
};

const utf16le: Codec = {
  name: 'utf-16le',
  unit: 2,
  padLimit: 0x7f,
  encode(text) {
    refuseLoneSurrogates('utf-16le', text);
    const bytes = new Uint8Array(text.length * 2);
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      bytes[at * 2] = unit;
      bytes[at * 2 + 1] = unit >> 8;
    }
    return bytes;
  },
  decode(bytes) {
    try {
      return utf16Decoder.decode(bytes);
    } catch {
      return -1;
    }
  },
  cut(bytes, size) {
    // A cut must not separate a surrogate pair.
    return size > 0 && ((bytes[size + 1] ?? 0) & 0xfc) === 0xdc ? size - 2 : size;
  },
};

const shiftJis: Codec = {
  name: 'shift_jis',
  unit: 1,
  padLimit: 0x3f,
  encode(text) {
    const bytes = new Uint8Array(text.length * 2);
    let length = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = shiftJisCode(text.charCodeAt(at));
      if (code === -1) throw refuse('shift_jis', text, at);
      if (code > 0xff) bytes[length++] = code >> 8;
      bytes[length++] = code;
    }
    return bytes.subarray(0, length);
  },
  decode: decodeShiftJis,
  cut(bytes, size) {
    let end = 0;
    for (;;) {
      const next = end + (isLead(bytes[end] ?? 0) ? 2 : 1);
      if (next > size) return end;
      end = next;
    }
  },
};

export const codecs: ReadonlyMap<string, Codec> = new Map<string, Codec>([
  ['utf-8', utf8],
  ['ascii', singleByte('ascii', 0x7f)],
  ['latin1', singleByte('latin1', 0xff)],
  ['utf-16le', utf16le],
  ['shift_jis', shiftJis],
]);
