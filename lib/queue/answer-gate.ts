import type { OwnedSocket } from '../sockets/acquire.js';

/**
 * Request callbacks that may be in flight while the send queue is full. While it has room, so many
 * may start at once.
 */
const few = 8;

/**
 * Decides whether a request callback may start. While the send queue is above its high-water mark,
 * only a few are in flight until their answers are sent. This side runs no more callbacks for a
 * peer that does not read answers.
 *
 * Callbacks that do not answer at once start a few at a time, so that the first answers can fill
 * the send queue before all callbacks have started. This does not bound the answers of callbacks
 * that wait for a timer or I/O: all of them have started before the first answer. Their bound is
 * `requestConcurrency`. A limit that grows while the peer reads would not help: a hostile peer can
 * read first and stop later.
 *
 * A side with a closed gate still reads, so two full send queues do not deadlock.
 *
 * Each time the queue has had room, one callback may start, even if other senders have filled the
 * queue again: room shows that the peer reads. Otherwise, during a steady stream of messages,
 * requests would wait forever for a few slow callbacks.
 */
export class AnswerGate {
  readonly #outlet: Pick<OwnedSocket, 'congested' | 'room'>;
  readonly #onOpen: () => void;
  #running = 0;
  #limit = few;
  #waiting: Promise<void> | undefined;
  /** Whether the queue has had room since the last callback started. */
  #granted = false;

  /** @param onOpen - called when the gate opens again. */
  constructor(outlet: Pick<OwnedSocket, 'congested' | 'room'>, onOpen: () => void) {
    this.#outlet = outlet;
    this.#onOpen = onOpen;
  }

  /** Whether no further callback may start. If so, `onOpen` is called later. */
  get closed(): boolean {
    if (this.#running < few || this.#granted) return false;
    const { congested } = this.#outlet;
    if (!congested && this.#running < this.#limit) return false;
    // With room in the queue, one microtask is enough: settled callbacks have answered after it.
    if (!this.#waiting) this.#wait(congested ? this.#outlet.room() : Promise.resolve());
    return true;
  }

  /** An asynchronous callback has started. */
  begin(): void {
    this.#running += 1;
    this.#granted = false;
  }

  /** A callback has started, and its answer was sent at once. */
  beginAndFinish(): void {
    this.#granted = false;
    this.#limit = Math.min(this.#limit, this.#running + few);
  }

  /**
   * The answer of an asynchronous callback was sent. Returns whether a waiting callback may start
   * now.
   */
  finish(): boolean {
    this.#running -= 1;
    this.#limit = Math.min(this.#limit, this.#running + few);
    return this.#waiting !== undefined && this.#running < few;
  }

  #wait(opened: Promise<void>): void {
    const open = (): void => {
      this.#waiting = undefined;
      this.#limit = this.#running + few;
      this.#granted = this.#outlet.congested;
      this.#onOpen();
    };
    this.#waiting = opened.then(open, open);
  }
}
