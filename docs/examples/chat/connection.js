// The connection of the page to the server. It connects again whenever the connection ends, and
// keeps each message until the server has confirmed it. The DOM is in chat.js.
import { connect, K4netError, QueueSocket, RemoteError } from 'k4net';
import { limits, messages } from './messages.js';

const fromServer = ['said', 'received', 'types', 'joined', 'left', 'rooms'];

export class Connection {
  #url;
  #trust;
  #clientKey;
  #outbox;
  #on;
  /** One name for each load of the page: two tabs have the same key. */
  #page = crypto.randomUUID();
  /** The queue of the present connection, and the room and name that the user wants. */
  #queue;
  #remote;
  #wanted;
  /** The room that the server has confirmed. */
  #inside;
  #flushing = false;
  #typedAt = -Infinity;
  #endPause = () => undefined;

  /**
   * `outbox` has the messages that the server has not confirmed: `{ id, room, text, state }`. `on`
   * has a function for each message of the server, and `state`, `entered`, `refused`, `changed`.
   */
  constructor({ url, trust, clientKey, outbox, on }) {
    this.#url = url;
    this.#trust = trust;
    this.#clientKey = clientKey;
    this.#outbox = outbox;
    this.#on = on;
  }

  /** Connects, talks until the connection ends, waits, and begins again. */
  async run() {
    for (let failures = 0; ; failures += 1) {
      this.#on.state({ name: 'connecting' });
      let untrusted = false;
      try {
        const socket = await connect(this.#url, {
          ...this.#trust,
          clientKey: this.#clientKey,
          // The key only tells the members of a room apart, so any server may see it.
          identifyToUnknownServer: true,
          maxSize: limits.fromServer,
          retry: false,
          timeout: 10_000,
        });
        failures = 0;
        await this.#talk(socket);
      } catch (error) {
        if (!K4netError.is(error) || error.code === 'K4NET_UNSUPPORTED') {
          this.#on.state({ name: 'failed', error });
          return;
        }
        // `connect` has not sent a message, and has not shown the key of this page.
        untrusted = error.code === 'K4NET_KEY_MISMATCH';
        if (untrusted) this.#on.state({ name: 'untrusted', error });
      }
      // Half of the delay is random, so that not all pages come at once when a server restarts.
      const delay = Math.min(1000 * 2 ** failures, 15_000) * (0.5 + Math.random() / 2);
      if (!untrusted) this.#on.state({ name: 'offline', until: Date.now() + delay });
      await this.#pause(untrusted ? undefined : delay);
    }
  }

  /** Ends the pause before the next attempt. */
  retry() {
    this.#endPause();
  }

  enter(room, name) {
    this.#wanted = { room, name };
    this.#inside = undefined;
    return this.#enter();
  }

  /** Takes a message. It leaves as soon as there is a connection. */
  say(message) {
    this.#outbox.push(message);
    this.#mark(message, 'waiting');
    void this.#flush();
  }

  typing() {
    if (!this.#inside || performance.now() - this.#typedAt < 2000) return;
    this.#typedAt = performance.now();
    void this.#remote?.sendRegistered('typing');
  }

  async #talk(socket) {
    const queue = new QueueSocket(socket, {
      maxQueuedBytes: 65_536, // As at the server.
      heartbeat: { interval: 20_000, timeout: 50_000 },
      onError: (error) => console.error(error),
    });
    const remote = queue.typed(messages);
    for (const name of fromServer) remote.registerCallback(name, (value) => this.#on[name](value));
    queue.start();
    this.#queue = queue;
    this.#remote = remote;
    this.#on.state({ name: 'online', peer: socket.peer });
    void this.#enter();
    await queue.closed;
    this.#remote = undefined;
    this.#inside = undefined;
  }

  async #enter() {
    const [remote, wanted] = [this.#remote, this.#wanted];
    if (!remote || !wanted) return;
    const isCurrent = () => remote === this.#remote && wanted === this.#wanted;
    try {
      const answer = await remote.call('enter', { ...wanted, page: this.#page });
      if (!isCurrent()) return;
      this.#inside = wanted.room;
      this.#on.entered(answer);
      void this.#flush();
    } catch (error) {
      if (!isCurrent()) return; // The connection has ended, or the user wants another room.
      if (error.remoteCode === 'TOO_FAST') setTimeout(() => isCurrent() && this.#enter(), 1000);
      else if (error instanceof RemoteError) this.#on.refused(error);
      else void this.#queue.close(undefined, { timeout: 0 }); // No answer: the server is full.
    }
  }

  /**
   * Sends the messages for this room, one after the other, so that they stay in order. A message
   * keeps its id, so a server that has it already does not send it to the room again.
   */
  async #flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    let message;
    try {
      while (this.#remote && (message = this.#outbox.find(({ room }) => room === this.#inside))) {
        this.#mark(message, 'sent');
        const { at } = await this.#remote.call('say', { id: message.id, text: message.text });
        this.#outbox.splice(this.#outbox.indexOf(message), 1);
        this.#mark(message, 'server', at);
      }
    } catch (error) {
      this.#mark(message, 'waiting');
      if (error instanceof RemoteError) setTimeout(() => this.#flush(), 1000);
    } finally {
      this.#flushing = false;
    }
  }

  #mark(message, state, at) {
    message.state = state;
    this.#on.changed(message, at);
  }

  #pause(delay) {
    return new Promise((resolve) => {
      const timer = delay === undefined ? undefined : setTimeout(resolve, delay);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * The key of this browser, made at the first visit. IndexedDB keeps it, and no script can read the
 * private part, also not one that an attacker brings into the page.
 */
export async function ownKey() {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const made = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const opening = indexedDB.open('k4net-chat-key');
  opening.onupgradeneeded = () => opening.result.createObjectStore('keys');
  const database = await settled(opening);
  // One transaction, so that two tabs that open at once keep the same key.
  const keys = database.transaction('keys', 'readwrite').objectStore('keys');
  const stored = await settled(keys.get('own'));
  if (!stored) await settled(keys.put(made, 'own'));
  database.close();
  return stored ?? made;
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
