import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
import type { Payload } from '../codec/payload.js';
import type { Bytes } from '../util/bytes.js';
import type { WaitOptions } from '../util/wait.js';
import type { AnswerDecoder, StreamCodecs } from './call.js';
import type { AnswerStream, CallbackOptions } from './call-types.js';
import type { QueueLife } from './queue-life.js';

/** @internal */
export const callEncoded: unique symbol = Symbol('callEncoded');

/** @internal */
export const openStream: unique symbol = Symbol('openStream');

/**
 * The methods that take encoded payloads and decode answers. A typed call needs neither a function
 * nor a second promise.
 *
 * @internal
 */
export interface EncodedCalls {
  /**
   * @param payload - the caller may reuse it when this returns.
   * @param body - encodes the items of the body of the options.
   */
  [callEncoded](
    name: string,
    payload: Bytes,
    options: WaitOptions | undefined,
    decoder: AnswerDecoder,
    body?: Payload,
  ): Promise<unknown>;
  [openStream](
    name: string,
    payload: Bytes,
    options: WaitOptions | undefined,
    codecs: StreamCodecs,
  ): AnswerStream<unknown, unknown>;
}

/**
 * The methods of a queue that a typed view calls.
 *
 * @internal
 */
export interface EncodedQueue<Context> extends QueueLife, EncodedCalls {
  registerCallback(
    name: string,
    callback: (reader: BinaryReader, context: Context) => unknown,
    options?: CallbackOptions,
  ): void;
  removeCallback(name: string): void;
  registerTask(name: string, constructor: (writer: BinaryWriter) => void): void;
  removeTask(name: string): void;
  sendRegistered(name: string, payload: Bytes, options?: Pick<WaitOptions, 'signal'>): Promise<void>;
  trySendRegistered(name: string, payload: Bytes): boolean;
}
