import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { Fixture } from './fixture.js';

/** The sockets that node:net creates for clients, or that its servers accept. */
export class SocketSpy {
  readonly sockets: Socket[] = [];
  /** Failed attempts. */
  failed = 0;
  readonly #channel: string;
  readonly #note = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    this.sockets.push(socket);
    socket.once('error', () => (this.failed += 1));
  };

  constructor(side: 'client' | 'server', fixture: Fixture) {
    this.#channel = `net.${side}.socket`;
    subscribe(this.#channel, this.#note);
    fixture.onCleanup(() => unsubscribe(this.#channel, this.#note));
  }
}
