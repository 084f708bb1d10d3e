import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats, type EncryptedConnectNatsOptions } from '../../lib/nats/connect-nats.js';
import { listenNats, type EncryptedListenNatsOptions, type NatsServer } from '../../lib/nats/listen-nats.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { Fixture } from './fixture.js';
import { keys } from './keys.js';
import { NatsServerProcess } from './nats-server.js';

/** A nats-server for the tests of a file, and services over it. */
export class NatsFixture {
  readonly #fixture: Fixture;
  #server: NatsServerProcess | undefined;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  get server(): NatsServerProcess {
    if (!this.#server) throw new Error('the nats-server has not started');
    return this.#server;
  }

  /** @param config - lines of the configuration of the nats-server. */
  async start(config?: string): Promise<void> {
    this.#server = await NatsServerProcess.start(config);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** A connection to NATS that closes after the test. */
  async connection(options?: Parameters<NatsServerProcess['connect']>[0]): Promise<NatsConnection> {
    const nc = await this.server.connect(options);
    this.#fixture.onCleanup(() => nc.close());
    return nc;
  }

  /** An instance of the service `orders`, and the errors that it reports. */
  async instance(
    options: Partial<EncryptedListenNatsOptions> = {},
    nc?: NatsConnection,
  ): Promise<{ server: NatsServer<EstablishedSocket>; errors: unknown[]; nc: NatsConnection }> {
    const own = nc ?? (await this.connection());
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const server = await listenNats(own, 'orders', { key: keys.server, onError, ...options });
    this.#fixture.onCleanup(() => server.close({ timeout: 0 }));
    return { server, errors, nc: own };
  }

  /** An instance that sends every message back behind its id. */
  async echo(
    options: Partial<EncryptedListenNatsOptions> = {},
    nc?: NatsConnection,
  ): ReturnType<NatsFixture['instance']> {
    const made = await this.instance(options, nc);
    void made.server.serve(async (sock) => {
      for await (const message of sock) await sock.send(message);
    });
    return made;
  }

  /** A client of the service `orders`. */
  async client(options: EncryptedConnectNatsOptions = {}, nc?: NatsConnection): Promise<EstablishedSocket> {
    const own = nc ?? (await this.connection());
    return this.#fixture.keep(await connectNats(own, 'orders', { pin: keys.server.fingerprint, ...options }));
  }
}

/**
 * Starts a nats-server for the tests of the current file or `describe` block.
 *
 * @param each - whether every test gets a nats-server of its own.
 */
export function useNats(
  fixture: Fixture,
  { config, each = false }: { config?: string; each?: boolean } = {},
): NatsFixture {
  const nats = new NatsFixture(fixture);
  (each ? beforeEach : beforeAll)(() => nats.start(config));
  (each ? afterEach : afterAll)(() => nats.stop());
  return nats;
}
