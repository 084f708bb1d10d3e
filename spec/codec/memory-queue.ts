import type { BinaryReader } from '../../lib/binary/reader.js';
import { BinaryReader as Reader } from '../../lib/binary/reader.js';
import { BinaryWriter } from '../../lib/binary/writer.js';
import type { UntypedQueue } from '../../lib/queue/typed-queue.js';

export interface MemoryContext {
  readonly socket: MemoryQueue;
  readonly name: string;
}

export interface MemoryOptions {
  readonly concurrency?: number;
}

type Callback = (reader: BinaryReader, context: MemoryContext) => unknown;
type Constructor = (writer: BinaryWriter) => void;

/** The least that a queue socket does for a typed view, with its peer in the same program. */
export class MemoryQueue implements UntypedQueue<MemoryContext, MemoryOptions> {
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

  registerCallback(name: string, callback: Callback, options?: MemoryOptions): void {
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

  async sendRegistered(name: string, payload: Constructor, options?: unknown): Promise<void> {
    this.options.set(name, options);
    await this.peer.deliver(name, construct(payload)).catch(() => undefined);
  }

  async call(name: string, payload: Constructor, options?: unknown): Promise<BinaryReader> {
    this.options.set(name, options);
    const answer = await this.peer.deliver(name, construct(payload)).catch(() => {
      throw new Error('the callback failed');
    });
    return new Reader(answer instanceof Uint8Array ? answer : new Uint8Array(0));
  }

  async deliver(name: string, bytes: Uint8Array): Promise<unknown> {
    this.received.push([name, bytes]);
    try {
      // As in a message: there are other bytes before the payload and behind it.
      const around = Uint8Array.from([0xff, ...bytes, 0xff]);
      const reader = new Reader(around.subarray(1, -1));
      const result = this.#callbacks.get(name)?.(reader, { socket: this, name });
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

function construct(payload: Constructor): Uint8Array {
  const writer = new BinaryWriter();
  payload(writer);
  return writer.data;
}
