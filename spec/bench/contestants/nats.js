// `@nats-io/transport-node` alone: `publish` one way, `request` for requests.
import { connectNatsServer, listenNatsServer } from '../transports/nats.js';

export * as driver from '../drivers/calls.js';

/** `publish` has no backpressure, so at most twice as many bytes are on the way to the server. */
const flushInterval = 256 * 1024;

class NatsConnection {
  onMessage = () => undefined;
  onCall = () => undefined;
  onDrain = () => undefined;
  onError = () => undefined;
  #nc;
  #target;
  #unflushed = 0;
  #flushes = 0;
  #subscriptions = [];

  /** @param own - its subject, for messages and calls of the peer. */
  constructor(nc, own, target) {
    this.#nc = nc;
    this.#target = target;
    this.#subscribe(`${own}.message`, ({ data }) => this.onMessage(data));
    this.#subscribe(`${own}.call`, (message) => message.respond(this.onCall(message.data)));
  }

  #subscribe(subject, take) {
    const callback = (error, message) => (error ? this.onError(error) : take(message));
    this.#subscriptions.push(this.#nc.subscribe(subject, { callback }));
  }

  send(message) {
    this.#nc.publish(`${this.#target}.message`, message);
    this.#unflushed += message.length;
    if (this.#unflushed < flushInterval) return true;
    this.#unflushed = 0;
    this.#flushes += 1;
    this.#nc.flush().then(() => {
      this.#flushes -= 1;
      this.onDrain();
    }, this.onError);
    return this.#flushes < 2;
  }

  call(message, done) {
    this.#nc.request(`${this.#target}.call`, message, { timeout: 10_000 }).then(
      ({ data }) => done(null, data),
      (error) => done(error),
    );
  }

  close() {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}

export async function listen(accept) {
  const { nc, port } = await listenNatsServer();
  let count = 0;
  nc.subscribe('connect', {
    callback(_, message) {
      count += 1;
      const [client, server] = [`client.${count}`, `server.${count}`];
      accept(new NatsConnection(nc, server, client));
      message.respond(JSON.stringify({ client, server }));
    },
  });
  await nc.flush();
  return { port };
}

export async function connect(port) {
  const nc = await connectNatsServer(port);
  const { client, server } = (await nc.request('connect')).json();
  return new NatsConnection(nc, client, server);
}

export const close = (connection) => connection.close();
