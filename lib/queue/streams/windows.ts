// Flow control of one stream of items, without I/O: "Flow control of streams" in docs/protocol.md.

/** Bytes that an item counts in addition to its size. */
const itemOverhead = 64;

/**
 * The largest item of a window. A receiver grants credit at half a window, so an item of this size
 * always gets enough.
 */
function largestItem(window: number): number {
  return Math.floor(window / 2);
}

/** The credit of the side that sends items. */
export class SendWindow {
  /** The size of the largest item that the receiver takes. */
  largest = 0;
  #window = 0;
  #credit = 0;

  /** @param window - the first credit; 0 until the receiver sends it. */
  constructor(window: number = 0) {
    if (window > 0) this.grant(window);
  }

  /** Whether the receiver has granted credit yet. */
  get begun(): boolean {
    return this.#window > 0;
  }

  /** Whether an empty item may be sent. */
  get open(): boolean {
    return this.fits(0);
  }

  fits(size: number): boolean {
    return size + itemOverhead <= this.#credit;
  }

  /** An item is sent. It must fit. */
  spend(size: number): void {
    this.#credit -= size + itemOverhead;
  }

  /** Adds credit. The first credit is the window. Returns false if there cannot be so much. */
  grant(bytes: number): boolean {
    if (!this.begun) {
      this.#window = bytes;
      this.largest = largestItem(bytes);
    }
    if (bytes === 0 || this.#credit + bytes > this.#window) return false;
    this.#credit += bytes;
    return true;
  }
}

/** The credit that the receiver of items has granted. */
export class ReceiveWindow {
  readonly #window: number;
  readonly #largest: number;
  /** Credit that the sender has not used. */
  #granted: number;
  /** Bytes that can be granted. */
  #free: number;

  /**
   * @param granted - whether the sender knows the window. If not, the first credit is the window.
   */
  constructor(window: number, granted: boolean) {
    this.#window = window;
    this.#largest = largestItem(window);
    this.#granted = granted ? window : 0;
    this.#free = granted ? 0 : window;
  }

  /** Whether any credit was granted. */
  get begun(): boolean {
    return this.#free < this.#window;
  }

  /** An item has arrived. Returns false if the sender had no credit for it. */
  receive(size: number): boolean {
    const cost = size + itemOverhead;
    if (cost > this.#granted) return false;
    this.#granted -= cost;
    return true;
  }

  /** The consumer has taken an item. */
  take(size: number): void {
    this.#free += size + itemOverhead;
  }

  /** Whether it is time to grant: the largest item might not fit into the credit that is left. */
  get due(): boolean {
    return this.#free + itemOverhead > this.#largest;
  }

  /** Grants everything that is free. Returns the credit. */
  grant(): number {
    const credit = this.#free;
    this.#granted += credit;
    this.#free = 0;
    return credit;
  }
}
