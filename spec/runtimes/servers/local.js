// Servers without a port, for connections that the program itself makes: ports and streams.
import { closing } from './closing.js';

export class LocalServers {
  #listen;
  #servers = new Map();
  #count = 0;

  constructor({ listen }) {
    this.#listen = listen;
  }

  /** The carrier for `startServers`. */
  open = async (options, address = `local:${(this.#count += 1)}`) => {
    const server = await this.#listen({ ...options, webSocket: false });
    this.#servers.set(address, server);
    return { server: closing(server, () => this.#servers.delete(address)), address };
  };

  /** Gives a connection to the server of that address. Returns whether there is one. */
  accept(address, carrier) {
    const server = this.#servers.get(address);
    server?.accept(carrier);
    return server !== undefined;
  }
}
