// The data of failures: "Queue messages" in docs/protocol.md.
import { BinaryReader } from '../binary/reader.js';
import type { CallError } from '../codec/call-error.js';
import { encodeValue } from '../codec/payload.js';
import { RemoteError, type K4netError } from '../errors.js';
import { noBytes, type Bytes } from '../util/bytes.js';
import { typedCodecs, type AnswerDecoder, type AnyCallback } from './call.js';
import type { Payload } from './call-types.js';
import { payloadBytes } from './envelope.js';

/** The errors whose data was decoded. */
const decodedErrors = new WeakSet<object>();

/** The bytes of the data of an error that a callback has thrown. */
export function failureData({ code, data }: CallError, callback: object | undefined): Bytes {
  const codecs = (callback as AnyCallback | undefined)?.[typedCodecs];
  if (!codecs) return payloadBytes(data as Payload | undefined);
  const codec = codecs.answer?.errors?.get(code);
  if (codec) return encodeValue(codec, data);
  if (data === undefined) return noBytes;
  throw new TypeError(`the errors of the request do not declare '${code}', so its data is not sent`);
}

/**
 * The error of a call whose callback has failed. It is a `DecodeError` if the data does not decode.
 *
 * @param decoder - the codecs of the call; undefined for a call without codecs.
 */
export function remoteError(
  name: string,
  code: string,
  text: string,
  data: Bytes,
  decoder: AnswerDecoder | undefined,
): K4netError | Promise<K4netError> {
  const codec = decoder?.errors?.get(code);
  if (decoder && !codec) return new RemoteError(name, code, text);
  // A copy: the data is a view of a buffer that can be much larger.
  const given = data.length > 0 ? new Uint8Array(data) : undefined;
  if (!codec) return new RemoteError(name, code, text, given);
  const decoded = (value: unknown): RemoteError => {
    const error = new RemoteError(name, code, text, value);
    decodedErrors.add(error);
    return error;
  };
  const undecodable = (error: unknown): K4netError =>
    // The callback may have thrown another error with this code, which has no data.
    given ? (error as K4netError) : new RemoteError(name, code, text);
  try {
    const value = codec.read(new BinaryReader(given ?? noBytes));
    return value instanceof Promise ? value.then(decoded, undecodable) : decoded(value);
  } catch (error) {
    return undecodable(error);
  }
}

/** Whether a value is the error of such a call, with data of the declared type. */
export function isDecodedError(value: unknown, name: string, code: string | undefined): boolean {
  if (!decodedErrors.has(value as object)) return false;
  const { callback, remoteCode } = value as RemoteError;
  return callback === name && (code === undefined || remoteCode === code);
}
