import { checkFunction } from '../util/options.js';
import { markHandled } from '../util/wait.js';
import { checkName, payloadBytes } from './envelope.js';
import type { PayloadConstructor } from './call-types.js';
import type { QueueSocketLike } from './types.js';

/** The tasks of a queue socket: messages that are made and sent repeatedly. */
export class Tasks {
  readonly #socket: QueueSocketLike;
  readonly #log: ((line: string) => void) | undefined;
  readonly #constructors = new Map<string, PayloadConstructor>();

  constructor(socket: QueueSocketLike, log: ((line: string) => void) | undefined) {
    this.#socket = socket;
    this.#log = log;
  }

  set(name: string, constructor: PayloadConstructor): void {
    checkFunction('the constructor of a task', constructor);
    this.#constructors.set(checkName(name), constructor);
  }

  remove(name: string): void {
    this.#constructors.delete(checkName(name));
  }

  /** Sends the messages of all tasks in order. Rejects with the first error. */
  perform(): Promise<void> {
    const performed: Promise<void> = this.#perform(() => void markHandled(performed));
    return performed;
  }

  /** @param onLost - called when a message cannot be sent, but not when a constructor throws. */
  async #perform(onLost: () => void): Promise<void> {
    for (const [name, constructor] of [...this.#constructors]) {
      this.#log?.(`Performing task ${name}`);
      const payload = payloadBytes(constructor);
      try {
        await this.#socket.sendRegistered(name, payload);
      } catch (error) {
        onLost();
        throw error;
      }
    }
  }
}
