// The bytes of registered messages and control messages: "Queue messages" in docs/protocol.md.
import { BinaryWriter } from '../binary/writer.js';
import { isErrorCode } from '../codec/call-error.js';
import type { MessageHead } from '../transport/framing/encoder.js';
import {
  concatBytes,
  cutUtf8,
  decodeUtf8,
  kindOf,
  noBytes,
  readU16,
  readU32,
  toBytes,
  u16Bytes,
  writeU32,
  type Bytes,
} from '../util/bytes.js';
import { controlHead, headLength, mark, maxName, putAscii, putHead, putMark } from './control-head.js';
import { isPromiseLike } from '../util/wait.js';
import type { Payload } from './call-types.js';

/** The longest text of a failure, in bytes. */
const maxText = 1024;
const lowestName = 0x20;
const highestName = 0x7e;
/** The types of control messages. */
export const controlType = {
  request: 1,
  answer: 2,
  failure: 3,
  cancel: 4,
  keepalive: 5,
  /** The types from here to `bodyStop` are those of streaming calls. */
  open: 6,
  bodyStop: 12,
} as const;

interface NamedHead extends MessageHead {
  length: number;
  /** The name in the bytes, empty at first. The next message often has the same name. */
  name: string;
}

// One buffer for all heads of a kind: the socket copies a head before the call that sends it
// returns.
const registered: NamedHead = { bytes: new Uint8Array(maxName + 1), length: 0, name: '' };
const request: NamedHead = {
  bytes: /* @__PURE__ */ putMark(new Uint8Array(controlHead + maxName + 1), controlType.request),
  length: 0,
  name: '',
};
const answer: MessageHead = {
  bytes: /* @__PURE__ */ putMark(new Uint8Array(controlHead), controlType.answer),
  length: controlHead,
};

/** The head of a registered message, `name | 00`. Valid until the next head is made. */
export function registeredHead(name: string): MessageHead {
  if (name !== registered.name) putName(registered, 0, name);
  return registered;
}

/**
 * The head of a request, `00 4B 51 | 1 | u32 id | name | 00`. Valid until the next head is made.
 */
export function requestHead(id: number, name: string): MessageHead {
  if (name !== request.name) putName(request, controlHead, name);
  writeU32(request.bytes, headLength, id);
  return request;
}

/** The head of an answer, `00 4B 51 | 2 | u32 id`. Valid until the next head is made. */
export function answerHead(id: number): MessageHead {
  writeU32(answer.bytes, headLength, id);
  return answer;
}

/** A whole registered message, `name | 00 | payload`. */
export function encodeRegistered(name: string, payload: Bytes): Bytes {
  const { bytes, length } = registeredHead(name);
  return concatBytes([bytes.subarray(0, length), payload]);
}

/** Checks the name of a message to send or of a callback. */
export function checkName(name: string): string {
  if (typeof name !== 'string') throw new TypeError(`a name must be a string, not ${kindOf(name)}`);
  if (name.length === 0 || name.length > maxName) {
    throw new RangeError(`a name must have 1 to ${maxName} characters, not ${name.length}`);
  }
  // The names of the heads were checked before.
  if (name === request.name || name === registered.name) return name;
  for (let i = 0; i < name.length; i += 1) {
    const unit = name.charCodeAt(i);
    if (unit < lowestName || unit > highestName) {
      throw new RangeError(
        `a name must be printable ASCII, but ${JSON.stringify(name)} has another character at index ${i}`,
      );
    }
  }
  return name;
}

/** The length of the name that a message begins with; -1 if it does not begin with a name. */
export function nameLength(bytes: Bytes, start: number, size: number): number {
  const stop = Math.min(size, maxName + 1);
  for (let i = 0; i < stop; i += 1) {
    const byte = bytes[start + i] ?? 0;
    if (byte === 0) return i === 0 ? -1 : i;
    if (byte < lowestName || byte > highestName) return -1;
  }
  return -1;
}

/** A name as text, from bytes that `nameLength` has checked. */
export function nameText(bytes: Bytes, start: number, length: number): string {
  // One call: a string that grows by one character at a time allocates once per character.
  return String.fromCharCode(...bytes.subarray(start, start + length));
}

/** Whether a message begins like a control message. */
export function isControl(bytes: Bytes, start: number = 0, size: number = bytes.length): boolean {
  return (
    size >= mark.length &&
    bytes[start] === mark[0] &&
    bytes[start + 1] === mark[1] &&
    bytes[start + 2] === mark[2]
  );
}

/** Checks a message that is sent without a name. */
export function checkRaw(message: Bytes): Bytes {
  if (!isControl(message)) return message;
  throw new RangeError('a message cannot begin with the bytes 00 4B 51, as control messages do');
}

/**
 * A failure up to its data, `00 4B 51 | 3 | u32 id | u8 n | code | u16 m | text`. Omits a code that
 * is not printable ASCII of 1 to 255 characters, and cuts a message of more than 1024 bytes.
 */
export function encodeFailure(id: number, code: string, message: string): Bytes {
  const ascii = isErrorCode(code) ? code : '';
  const text = cutUtf8(message, maxText);
  const codeAt = controlHead + 1;
  const textAt = codeAt + ascii.length + 2;
  const bytes = new Uint8Array(textAt + text.length);
  bytes[controlHead] = ascii.length;
  putAscii(bytes, codeAt, ascii);
  bytes.set(u16Bytes(text.length), textAt - 2);
  bytes.set(text, textAt);
  return putHead(bytes, controlType.failure, id);
}

/** A cancel, `00 4B 51 | 4 | u32 id`. */
export function encodeCancel(id: number): Bytes {
  return putHead(new Uint8Array(controlHead), controlType.cancel, id);
}

/** A keepalive, `00 4B 51 | 5`. */
export function encodeKeepalive(): Bytes {
  return putMark(new Uint8Array(headLength), controlType.keepalive);
}

/** A control message other than a well-formed request or answer, which the router reads itself. */
export type Control =
  | {
      readonly type: 'failure';
      readonly id: number;
      readonly code: string;
      readonly text: string;
      readonly data: Bytes;
    }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'keepalive' }
  | { readonly type: 'malformed'; readonly id: number | undefined; readonly why: string };

/**
 * Reads a message for which `isControl` is true and which is not a well-formed request or answer.
 * Never throws: a message that breaks the protocol has the type `malformed`.
 */
export function decodeControl(message: Bytes): Control {
  const type = message[mark.length];
  if (type === controlType.keepalive) {
    return message.length === headLength
      ? { type: 'keepalive' }
      : malformed('a keepalive must have no content');
  }
  if (message.length < controlHead) return malformed('a control message is too short');
  const id = readU32(message, headLength);
  const body = message.subarray(controlHead);
  if (type === controlType.failure) return decodeFailure(id, body);
  if (type === controlType.cancel)
    return body.length === 0 ? { type: 'cancel', id } : malformed('a cancel must have no content');
  if (type === controlType.request) return malformed('a request has no name');
  return malformed('a control message has an unknown type');
}

function decodeFailure(id: number, body: Bytes): Control {
  const length = body[0] ?? 0;
  const textAt = 1 + length + 2;
  const end = textAt + readU16(body, textAt - 2);
  if (body.length < end) return malformed('a failure is incomplete', id);
  for (let i = 1; i <= length; i += 1) {
    const byte = body[i] ?? 0;
    if (byte < lowestName || byte > highestName) return malformed('the code of a failure is not ASCII', id);
  }
  try {
    return {
      type: 'failure',
      id,
      code: nameText(body, 1, length),
      text: decodeUtf8(body.subarray(textAt, end)),
      data: body.subarray(end),
    };
  } catch {
    return malformed('the text of a failure is not UTF-8', id);
  }
}

function malformed(why: string, id?: number): Control {
  return { type: 'malformed', id, why };
}

/** The bytes of a payload. Throws the error of its constructor. */
export function payloadBytes(payload: Payload | undefined): Bytes {
  if (payload === undefined) return noBytes;
  return typeof payload === 'function' ? construct(payload) : toBytes(payload);
}

function construct(constructor: (writer: BinaryWriter) => unknown): Bytes {
  const writer = new BinaryWriter();
  const result = constructor(writer);
  if (isPromiseLike(result)) {
    // The rejection has no other handler.
    result.then(undefined, () => undefined);
    throw new TypeError('a payload constructor must not be an async function');
  }
  return writer.data;
}

function putName(head: NamedHead, at: number, name: string): void {
  putAscii(head.bytes, at, name);
  head.length = at + name.length + 1;
  head.bytes[head.length - 1] = 0;
  head.name = name;
}
