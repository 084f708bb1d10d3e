import type { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryReader as Reader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import { compile, type Messages } from '../../lib/codec/messages.js';
import type { AnswerDecoder } from '../../lib/queue/call.js';
import type { CallbackOptions, ContextOf } from '../../lib/queue/call-types.js';
import { callEncoded } from '../../lib/queue/encoded-queue.js';
import { TypedQueueOf } from '../../lib/queue/typed-queue.js';

export type MemoryContext = ContextOf<MemoryQueue>;

type Callback = (reader: BinaryReader, context: MemoryContext) => unknown;
type Constructor = (writer: BinaryWriter) => void;

/** The least that a queue socket does for a typed view, with its peer in the same program. */
export class MemoryQueue {
  peer: MemoryQueue = this;
  /** The errors that `onError` of a queue socket would get. */
  readonly errors: unknown[] = [];
  /** The results of callbacks, unchanged. */
  readonly returned: unknown[] = [];
  /** The received messages by name. */
  readonly received: [name: string, bytes: Uint8Array][] = [];
  readonly options = new Map<string, unknown>();
  readonly #callbacks = new Map<string, Callback>();
  readonly #tasks = new Map<string, Constructor>();

  registerCallback(name: string, callback: Callback, options?: CallbackOptions): void {
    this.#callbacks.set(name, callback);
    this.options.set(name, options);
  }

  removeCallback(name: string): void {
    this.#callbacks.delete(name);
  }

  registerTask(name: string, constructor: Constructor): void {
    this.#tasks.set(name, constructor);
  }

  removeTask(name: string): void {
    this.#tasks.delete(name);
  }

  async performTasks(): Promise<void> {
    for (const [name, constructor] of this.#tasks) await this.sendRegistered(name, constructor);
  }

  /** A typed view of this queue. */
  typed<M extends Messages>(messages: M): TypedQueueOf<M, MemoryQueue> {
    return new TypedQueueOf<M, MemoryQueue>(this as never, compile(messages));
  }

  async sendRegistered(name: string, payload: Uint8Array | Constructor, options?: unknown): Promise<void> {
    this.options.set(name, options);
    await this.peer.deliver(name, construct(payload)).catch(() => undefined);
  }

  async call(name: string, payload: Constructor, options?: unknown): Promise<BinaryReader> {
    return (await this[callEncoded](name, payload, options, {
      read: (reader) => reader,
      errors: undefined,
    })) as BinaryReader;
  }

  async [callEncoded](
    name: string,
    payload: Uint8Array | Constructor,
    options: unknown,
    decoder: AnswerDecoder,
  ): Promise<unknown> {
    this.options.set(name, options);
    const answer = await this.peer.deliver(name, construct(payload)).catch(() => {
      throw new Error('the callback failed');
    });
    return decoder.read(new Reader(answer instanceof Uint8Array ? answer : new Uint8Array(0)));
  }

  async deliver(name: string, bytes: Uint8Array): Promise<unknown> {
    this.received.push([name, bytes]);
    try {
      // As in a message: there are other bytes before the payload and behind it.
      const around = Uint8Array.from([0xff, ...bytes, 0xff]);
      const reader = new Reader(around.subarray(1, -1));
      const result = this.#callbacks.get(name)?.(reader, {
        socket: this,
        name,
      } as Partial<MemoryContext> as MemoryContext);
      this.returned.push(result);
      return await result;
    } catch (error) {
      this.errors.push(error);
      throw error;
    }
  }
}

/** Two queues, each of which is the other's peer. */
export function queuePair(): [MemoryQueue, MemoryQueue] {
  const [a, b] = [new MemoryQueue(), new MemoryQueue()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}

function construct(payload: Uint8Array | Constructor): Uint8Array {
  if (payload instanceof Uint8Array) return payload.slice();
  const writer = new BinaryWriter();
  payload(writer);
  return writer.data;
}
