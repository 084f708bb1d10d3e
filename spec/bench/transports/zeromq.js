import { context, Dealer, Router } from 'zeromq';

// The default limit of 1023 sockets in a process is below the number of idle connections.
context.maxSockets = context.maxSocketsLimit;

/** Reports messages that cannot be routed, and drops unsent messages when a socket closes. */
const routerOptions = { mandatory: true, linger: 0 };
const dealerOptions = { linger: 0 };

/** The router's connection to one dealer. */
class RoutedConnection {
  onMessage = () => undefined;
  #router;
  #id;

  constructor(router, id) {
    this.#router = router;
    this.#id = id;
  }

  send(message) {
    return this.#router.send([this.#id, message]);
  }
}

class DealerConnection {
  onMessage = () => undefined;

  constructor(dealer) {
    this.dealer = dealer;
    void this.#receive();
  }

  async #receive() {
    for await (const [message] of this.dealer) {
      const busy = this.onMessage(message);
      if (busy) await busy;
    }
  }

  send(message) {
    return this.dealer.send(message);
  }
}

/**
 * A router that serves any number of dealers: the only pair of socket types that fits all works.
 *
 * @param {object} server - options of the router, for its security.
 * @param {object} client - options of the dealers.
 */
export function zeromq(server, client) {
  return {
    async listen(accept) {
      const router = new Router({ ...routerOptions, ...server });
      await router.bind('tcp://127.0.0.1:*');
      void dispatch(router, accept);
      return { port: Number(router.lastEndpoint.split(':').at(-1)) };
    },
    connect(port) {
      const dealer = new Dealer({ ...dealerOptions, ...client });
      dealer.connect(`tcp://127.0.0.1:${port}`);
      return new DealerConnection(dealer);
    },
    // A router removes its closed peers by itself.
    close: (connection) => connection.dealer?.close(),
  };
}

/** Passes each message to its connection. The first message of a peer opens a connection. */
async function dispatch(router, accept) {
  const connections = new Map();
  for await (const [id, message] of router) {
    const name = id.latin1Slice();
    let connection = connections.get(name);
    if (connection === undefined) {
      connection = new RoutedConnection(router, id);
      connections.set(name, connection);
      accept(connection);
    }
    const busy = connection.onMessage(message);
    if (busy) await busy;
  }
}
