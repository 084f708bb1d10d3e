import type { Bytes } from '../../util/bytes.js';
import { Deferred } from '../../util/wait.js';
import { discardSource, isSync, type Source } from './item-source.js';
import type { StreamOutlet } from '../stream-host.js';
import type { StreamTools } from '../stream-tools.js';
import { SendWindow } from './windows.js';

/** The stream of a sender. */
export interface SenderSettings {
  readonly type: number;
  readonly id: number;
  /** The window; 0 until the receiver sends it. */
  readonly window: number;
  /** The bytes of an item, valid until the next item. Throws the error of a wrong item. */
  readonly encode: (item: unknown) => Bytes;
  readonly onSent: () => void;
  /** Called when the sender has to wait for credit. */
  readonly onWait: () => void;
}

/**
 * Sends the items of a source within the credit of the receiver. It takes no item from the source
 * before there is credit, and waits while the send queue is full: so a stream cannot fill it.
 */
export class ItemSender {
  readonly #outlet: StreamOutlet;
  readonly #tools: StreamTools;
  readonly #settings: SenderSettings;
  readonly #window: SendWindow;
  readonly #ended = new Deferred<unknown>();
  #source: Source | undefined;
  #waiting: Deferred<void> | undefined;
  #stopped = false;

  constructor(outlet: StreamOutlet, tools: StreamTools, settings: SenderSettings) {
    this.#outlet = outlet;
    this.#tools = tools;
    this.#settings = settings;
    this.#window = new SendWindow(settings.window);
  }

  /** Whether the receiver has granted credit yet. */
  get begun(): boolean {
    return this.#window.begun;
  }

  /**
   * Sends all items. Resolves with the return value of the source, and rejects with its error or
   * that of a wrong item. After `stop` it settles when the source has ended.
   */
  run(source: Source): Promise<unknown> {
    this.#source = source;
    if (this.#stopped) this.#close();
    else this.#start(source);
    return this.#ended.promise;
  }

  /** Credit has arrived. Returns false if there cannot be so much. */
  grant(bytes: number): boolean {
    if (!this.#window.grant(bytes)) return false;
    this.#wake();
    return true;
  }

  /** Sends no further item, and ends the source. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#source) this.#close();
    this.#wake();
  }

  #start(source: Source): void {
    // A source that has ended or thrown needs no close.
    this.#send(source).then(
      (value) => {
        this.#stopped = true;
        this.#ended.resolve(value);
      },
      (error: unknown) => {
        this.#stopped = true;
        this.#ended.reject(error);
      },
    );
  }

  async #send(source: Source): Promise<unknown> {
    const { type, id, encode, onSent } = this.#settings;
    const { accepted, streamHead } = this.#tools;
    for (;;) {
      while (!this.#window.open && !this.#isStopped()) await this.#credit();
      if (this.#isStopped()) return this.#ended.promise;
      // To await a step that is there would cost more than the item.
      const step = isSync(source) ? source.next() : await source.next();
      if (step.done === true) return step.value;
      if (this.#isStopped()) return this.#ended.promise;
      const bytes = this.#encode(encode, step.value);
      while (!this.#window.fits(bytes.length) && !this.#isStopped()) await this.#credit();
      if (this.#outlet.congested) await this.#untilDone(this.#outlet.room());
      if (this.#isStopped()) return this.#ended.promise;
      this.#window.spend(bytes.length);
      const sent = this.#outlet.sendHeaded(streamHead(type, id), bytes);
      onSent();
      if (sent !== accepted) await this.#untilDone(sent);
    }
  }

  // A method, because its result changes while the sender waits.
  #isStopped(): boolean {
    return this.#stopped;
  }

  /** Waits for the socket. A failed socket ends the source: `closed` reports the error. */
  async #untilDone(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch {
      this.stop();
    }
  }

  #encode(encode: (item: unknown) => Bytes, item: unknown): Bytes {
    try {
      const bytes = encode(item);
      const { largest } = this.#window;
      if (bytes.length <= largest) return bytes;
      throw new RangeError(
        `an item of ${bytes.length} bytes exceeds half of the window of the peer (${largest} bytes; streamWindow)`,
      );
    } catch (error) {
      if (this.#source) discardSource(this.#source);
      throw error;
    }
  }

  #close(): void {
    const close = async (): Promise<void> => {
      await this.#source?.close();
    };
    close().then(this.#ended.resolve, this.#ended.reject);
  }

  #credit(): Promise<void> {
    this.#waiting ??= new Deferred();
    this.#settings.onWait();
    return this.#waiting.promise;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
