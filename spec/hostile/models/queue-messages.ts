import { pattern } from '../../support/random.js';
import type { SentMessage } from './queue-side.js';

/** The first byte of a message without a name: no name begins with it. */
export const rawMark = 0xff;
const kinds: readonly SentMessage['kind'][] = ['message', 'raw', 'request'];
const headLength = 6;

/** The bytes of one message: its mark, its number, its kind, and padding. */
export function messageOf(index: number, kind: SentMessage['kind'], size: number): Uint8Array {
  const bytes = pattern(headLength + size, index);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, rawMark);
  view.setUint32(1, index);
  view.setUint8(5, kinds.indexOf(kind));
  return bytes;
}

/** Number and kind of a message without its name. */
export function headOf(bytes: Uint8Array): { index: number; kind: SentMessage['kind'] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { index: view.getUint32(1), kind: kinds[view.getUint8(5)] ?? 'raw' };
}

/** The answer to a request: of the same length, with other bytes. */
export function answerTo(payload: Uint8Array): Uint8Array {
  return payload.map((byte) => byte ^ 0x5a);
}
