import type { Bytes } from '../../util/bytes.js';
import { Deferred } from '../../util/wait.js';
import { discardSource, isSync, type Source, type Step } from './item-source.js';
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
    else this.#advance();
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

  // Not an async function: its `await` would cost a quarter of the time of an item.
  readonly #onStep = (step: Step): void => {
    try {
      if (this.#take(step)) this.#advance();
    } catch (error) {
      this.#onError(error);
    }
  };

  readonly #onError = (error: unknown): void => {
    // A source that has ended or thrown needs no close.
    this.#stopped = true;
    this.#ended.reject(error);
  };

  /** Takes and sends items until it has to wait. */
  #advance(): void {
    const source = this.#source;
    try {
      while (source && !this.#stopped) {
        if (!this.#window.open) {
          this.#wait(this.#credit());
          return;
        }
        if (!isSync(source)) {
          Promise.resolve(source.next()).then(this.#onStep, this.#onError);
          return;
        }
        if (!this.#take(source.next())) return;
      }
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Takes a step of the source. Returns false if the next one has to wait, or is not wanted. */
  #take(step: Step): boolean {
    if (step.done === true) {
      this.#stopped = true;
      this.#ended.resolve(step.value);
    }
    return !this.#stopped && this.#put(this.#encode(step.value));
  }

  /** Sends an item, or waits. Returns false if the next one has to wait. */
  #put(bytes: Bytes): boolean {
    if (this.#stopped) return false;
    if (!this.#window.fits(bytes.length)) return this.#wait(this.#credit(), bytes);
    if (this.#outlet.congested) return this.#wait(this.#outlet.room(), bytes);
    this.#window.spend(bytes.length);
    const { type, id, onSent } = this.#settings;
    const sent = this.#outlet.sendHeaded(this.#tools.streamHead(type, id), bytes);
    onSent();
    return sent === this.#tools.accepted || this.#wait(sent);
  }

  /** Continues later, with an item that is not sent. Returns false. */
  #wait(wait: Promise<void>, bytes?: Bytes): false {
    wait.then(
      () => {
        if (!bytes || this.#put(bytes)) this.#advance();
      },
      // A failed socket ends the source: `closed` reports the error.
      () => {
        this.stop();
      },
    );
    return false;
  }

  #encode(item: unknown): Bytes {
    try {
      const bytes = this.#settings.encode(item);
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
