// One page, as the server sees it. Every client may be hostile: what it sends is limited, and
// whatever waits for it is limited too.
import { K4netError, QueueSocket, RemoteError } from 'k4net';
import { limits, messages, refusals, refuse } from './messages.js';

/** One connected page. */
export class Client {
  name = '';
  page = '';
  room = undefined;
  #unread = 0;
  #refused = 0;
  #tokens = limits.burst;
  #filled = performance.now();

  constructor(id, sock) {
    this.id = id;
    this.key = sock.peer.fingerprint;
    this.queue = new QueueSocket(sock, {
      // Less than the defaults: a page has little to say at once.
      maxQueuedBytes: 65_536,
      requestConcurrency: 8,
      heartbeat: { interval: 20_000, timeout: 150_000 }, // The timers of a hidden page are slow.
      unmatched: 'drop',
      onError: (error) => {
        if (error?.code in refusals) return;
        if (!K4netError.is(error)) console.error(error);
        this.drop(); // Its messages do not decode: this is no page of ours.
      },
    });
    this.remote = this.queue.typed(messages);
  }

  get listed() {
    return { id: this.id, name: this.name, key: this.key, page: this.page };
  }

  drop() {
    void this.queue.close(undefined, { timeout: 0 });
  }

  /** Counts what the client asks for: a token bucket. */
  spend(cost) {
    const now = performance.now();
    this.#tokens += ((now - this.#filled) / 1000) * limits.perSecond;
    this.#tokens = Math.min(this.#tokens, limits.burst);
    this.#filled = now;
    if (this.#tokens >= cost) {
      this.#tokens -= cost;
      return;
    }
    this.#refused += 1;
    if (this.#refused > limits.refusals) this.drop();
    throw refuse('TOO_FAST');
  }

  /** Sends without waiting, so a client that does not read delays nobody; it is dropped instead. */
  post(name, value) {
    if (!this.remote.trySendRegistered(name, value)) this.drop();
  }

  /** Resolves with whether the page has confirmed the message. */
  async deliver(room, entry) {
    const size = entry.text.length + 500;
    if (this.#unread + size > limits.unread) this.drop();
    this.#unread += size;
    try {
      await this.remote.call('said', { room, entry });
      return true;
    } catch (error) {
      if (!(error instanceof RemoteError)) this.drop(); // No answer for 30 s, or closed already.
      return false;
    } finally {
      this.#unread -= size;
    }
  }
}
