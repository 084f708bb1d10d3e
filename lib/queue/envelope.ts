import { concatBytes, cutUtf8, decodeUtf8, kindOf, readU32, writeU32, type Bytes } from '../util/bytes.js';
import type { MessageHead } from '../transport/framing/encoder.js';

/** The longest name, in bytes. */
export const longestName = 255;
/** The longest text of a failure, in bytes. */
const longestText = 1024;
const lowestName = 0x20;
const highestName = 0x7e;
/** An empty name, which the Python library ignores, and two letters that no text begins with by chance. */
const mark = [0x00, 0x4b, 0x51] as const;
const headLength = mark.length + 1;
const idLength = 4;
/** Where the name of a request begins. */
export const requestName: number = headLength + idLength;

/** The types of control messages: "Queue messages" in docs/protocol.md. */
export const controlType = { request: 1, answer: 2, failure: 3, cancel: 4, keepalive: 5 } as const;

/** The one head, written anew for each message: it is copied before the call that sends it returns. */
const head = { bytes: new Uint8Array(headLength + idLength + longestName + 1), length: 0 };

/** `name | 00`: what follows goes to the callback of that name. Good until the next head is made. */
export function registeredHead(name: string): MessageHead {
  return putName(0, name);
}

/** `00 4B 51 | 1 | u32 id | name | 00`. Good until the next head is made. */
export function requestHead(id: number, name: string): MessageHead {
  putHead(head.bytes, controlType.request, id);
  return putName(headLength + idLength, name);
}

/** `00 4B 51 | 2 | u32 id`. Good until the next head is made. */
export function answerHead(id: number): MessageHead {
  putHead(head.bytes, controlType.answer, id);
  head.length = headLength + idLength;
  return head;
}

/** A registered message as one piece: `name | 00 | payload`. */
export function encodeRegistered(name: string, payload: Bytes): Bytes {
  const { bytes, length } = registeredHead(name);
  return concatBytes([bytes.subarray(0, length), payload]);
}

/** Checks a name for a message that is to be sent or registered. */
export function checkName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`a name is a string, not ${kindOf(name)}`);
  if (name.length === 0 || name.length > longestName) {
    throw new RangeError(`a name has 1 to ${longestName} characters, not ${name.length}`);
  }
  for (let i = 0; i < name.length; i += 1) {
    const unit = name.charCodeAt(i);
    if (unit < lowestName || unit > highestName) {
      throw new RangeError(
        `a name has printable ASCII characters only, but ${JSON.stringify(name)} has another at ${i}`,
      );
    }
  }
  return name;
}

/** Length of the name that a registered message begins with, -1 if the bytes are not such a message. */
export function nameLength(bytes: Bytes, start: number, size: number): number {
  const stop = Math.min(size, longestName + 1);
  for (let i = 0; i < stop; i += 1) {
    const byte = bytes[start + i] ?? 0;
    if (byte === 0) return i === 0 ? -1 : i;
    if (byte < lowestName || byte > highestName) return -1;
  }
  return -1;
}

/** A name as text; the bytes have been checked. */
export function nameText(bytes: Bytes, start: number, length: number): string {
  // In one call: text that grows by a character at a time keeps a string for each of them.
  return String.fromCharCode(...bytes.subarray(start, start + length));
}

/** Whether bytes begin as control messages do. */
export function isControl(bytes: Bytes, start: number = 0, size: number = bytes.length): boolean {
  return (
    size >= mark.length &&
    bytes[start] === mark[0] &&
    bytes[start + 1] === mark[1] &&
    bytes[start + 2] === mark[2]
  );
}

/** Checks a message that is to be sent as it is. */
export function checkRaw(message: Bytes): Bytes {
  if (!isControl(message)) return message;
  throw new RangeError('a message cannot begin with the bytes 00 4B 51: control messages do');
}

/** `00 4B 51 | 3 | u32 id | u8 n | code | message`: a code that is not printable ASCII is left out, a long message is cut. */
export function encodeFailure(id: number, code: string, message: string): Bytes {
  const word = /^[\x20-\x7e]{1,255}$/.test(code) ? code : '';
  const text = cutUtf8(message, longestText);
  const at = headLength + idLength;
  const bytes = new Uint8Array(at + 1 + word.length + text.length);
  bytes[at] = word.length;
  putAscii(bytes, at + 1, word);
  bytes.set(text, at + 1 + word.length);
  return putHead(bytes, controlType.failure, id);
}

/** `00 4B 51 | 4 | u32 id` */
export function encodeCancel(id: number): Bytes {
  return putHead(new Uint8Array(headLength + idLength), controlType.cancel, id);
}

/** `00 4B 51 | 5` */
export function encodeKeepalive(): Bytes {
  return putMark(new Uint8Array(headLength), controlType.keepalive);
}

/** A control message as it came; views of the bytes it was read from. */
export type Control =
  | {
      readonly type: 'request';
      readonly id: number;
      /** Where the name is in the message. */
      readonly nameStart: number;
      readonly nameLength: number;
      readonly payload: Bytes;
    }
  | { readonly type: 'answer'; readonly id: number; readonly payload: Bytes }
  | { readonly type: 'failure'; readonly id: number; readonly code: string; readonly text: string }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'keepalive' }
  | { readonly type: 'malformed'; readonly id: number | undefined; readonly why: string };

/** Reads a message that `isControl` has recognised. Never throws: what is wrong with it is its type. */
export function decodeControl(message: Bytes): Control {
  const type = message[mark.length];
  if (type === controlType.keepalive) {
    return message.length === headLength ? { type: 'keepalive' } : malformed('a keepalive has a content');
  }
  if (message.length < headLength + idLength) return malformed('a control message is too short');
  const id = readU32(message, headLength);
  const body = message.subarray(headLength + idLength);
  switch (type ?? 0) {
    case controlType.request:
      return decodeRequest(id, message);
    case controlType.answer:
      return { type: 'answer', id, payload: body };
    case controlType.failure:
      return decodeFailure(id, body);
    case controlType.cancel:
      return body.length === 0 ? { type: 'cancel', id } : malformed('a cancel has a content');
    default:
      return malformed('a control message has an unknown type');
  }
}

function decodeRequest(id: number, message: Bytes): Control {
  const nameStart = headLength + idLength;
  const length = nameLength(message, nameStart, message.length - nameStart);
  if (length < 0) return malformed('a request has no name');
  const payload = message.subarray(nameStart + length + 1);
  return { type: 'request', id, nameStart, nameLength: length, payload };
}

function decodeFailure(id: number, body: Bytes): Control {
  const length = body[0];
  if (length === undefined || body.length < 1 + length) return malformed('a failure is cut short', id);
  for (let i = 1; i <= length; i += 1) {
    const byte = body[i] ?? 0;
    if (byte < lowestName || byte > highestName) return malformed('the code of a failure is not ASCII', id);
  }
  try {
    const text = decodeUtf8(body.subarray(1 + length));
    return { type: 'failure', id, code: nameText(body, 1, length), text };
  } catch {
    return malformed('the text of a failure is not UTF-8', id);
  }
}

function malformed(why: string, id?: number): Control {
  return { type: 'malformed', id, why };
}

function putName(at: number, name: string): MessageHead {
  putAscii(head.bytes, at, name);
  head.length = at + name.length + 1;
  head.bytes[head.length - 1] = 0;
  return head;
}

function putHead(bytes: Bytes, type: number, id: number): Bytes {
  writeU32(bytes, headLength, id);
  return putMark(bytes, type);
}

function putMark(bytes: Bytes, type: number): Bytes {
  bytes[0] = mark[0];
  bytes[1] = mark[1];
  bytes[2] = mark[2];
  bytes[3] = type;
  return bytes;
}

function putAscii(bytes: Bytes, at: number, text: string): void {
  for (let i = 0; i < text.length; i += 1) bytes[at + i] = text.charCodeAt(i);
}
