import type { Bytes } from '../util/bytes.js';
import { K4netError, TooLargeError } from '../errors.js';

/** A block of a PEM file. */
export interface PemBlock {
  readonly label: string;
  readonly der: Bytes;
}

const block = /-----BEGIN ([A-Z0-9 ]{1,40})-----([^]*?)-----END \1-----/g;
const maxLength = 65_536;

/**
 * The blocks of a PEM text. Words between them are passed over, as every reader of PEM does. No error shows any of
 * the text: it may be a private key.
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > maxLength) throw new TooLargeError(text.length, maxLength, 'a PEM text');
  return Array.from(text.matchAll(block), ([, label = '', body = '']) => ({
    label,
    der: decodeBody(label, body),
  }));
}

function decodeBody(label: string, body: string): Bytes {
  if (/^(Proc-Type|DEK-Info):/m.test(body)) {
    throw new K4netError('K4NET_UNSUPPORTED', `the PEM block '${label}' is encrypted: decrypt it first`);
  }
  let binary: string | undefined;
  try {
    binary = atob(body.replace(/\s+/g, ''));
  } catch {
    // The error of atob is not passed on, because some runtimes quote the text in it.
  }
  if (binary === undefined || binary === '') {
    throw new K4netError('K4NET_MALFORMED', `the PEM block '${label}' is not base64`);
  }
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** A PEM text of one block, with lines of 64 characters. */
export function encodePem(label: string, der: Bytes): string {
  let binary = '';
  for (const byte of der) binary += String.fromCharCode(byte);
  const lines = btoa(binary).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
