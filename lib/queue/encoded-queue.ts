import type { BinaryReader } from '../binary/reader.js';
import type { BinaryWriter } from '../binary/writer.js';
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
 * The methods of a queue that a typed view calls. Those that take encoded payloads and decode
 * answers need neither a function nor a second promise for each message.
 *
 * @internal
 */
export interface EncodedQueue<Context> extends QueueLife {
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
  [callEncoded](
    name: string,
    payload: Bytes,
    options: WaitOptions | undefined,
    decoder: AnswerDecoder,
  ): Promise<unknown>;
  [openStream](
    name: string,
    payload: Bytes,
    options: WaitOptions | undefined,
    items: boolean,
    codecs: StreamCodecs,
  ): AnswerStream<unknown, unknown>;
}
