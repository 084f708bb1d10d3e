import { requestWindow, type FlowWindow } from './flow-window.js';
import type { Registration } from './incoming-call.js';

/** The flow windows of the requests of the peer that have no answer yet. */
export class RequestWindows {
  /** All requests. Each name has a window of its own, so this one can exceed its limits. */
  readonly total: FlowWindow;
  /** Requests of names without a callback. */
  readonly unknownNames: FlowWindow;
  readonly #maxBytes: number;
  readonly #maxMessages: number;

  constructor(maxBytes: number, maxMessages: number) {
    this.#maxBytes = maxBytes;
    this.#maxMessages = maxMessages;
    this.total = requestWindow(maxBytes, maxMessages);
    this.unknownNames = this.add();
  }

  /** A window for one more name. */
  add(): FlowWindow {
    return requestWindow(this.#maxBytes, this.#maxMessages, this.total);
  }

  /**
   * The full window that blocks one more request of a name; undefined if there is room.
   *
   * @param congested - whether the send queue is full.
   */
  fullFor(registration: Registration | undefined, congested: boolean): FlowWindow | undefined {
    // Excess requests of unknown names are refused, so they need no room. While the send queue is
    // full, they are not refused and wait.
    if (!registration && !congested) return undefined;
    const window = registration?.requests ?? this.unknownNames;
    return window.full ? window : undefined;
  }
}
