import { afterAll, beforeAll, describe } from 'vitest';
import type { Incoming } from '../../lib/net/incoming.js';
import type { NatsOptions } from '../../lib/nats/hub-settings.js';
import { hubFor } from '../../lib/nats/hubs.js';
import type { NatsConnectionLike } from '../../lib/nats/nats-connection.js';
import { NatsListener } from '../../lib/nats/nats-listener.js';
import { instanceSubject, randomId } from '../../lib/nats/subjects.js';
import type { Transport } from '../../lib/transport/transport.js';
import { startCluster, startLeaf } from './nats-cluster.js';
import { FaultyConnection } from './nats-faults.js';
import { natsProgram, NatsServerProcess } from './nats-server.js';

/** The ways to a peer over one nats-server. */
export const natsMedia = [
  'over NATS',
  'over one NATS connection',
  'over NATS with a window of 8 KiB',
  'over lossy NATS',
] as const;

/** The ways over two nats-servers, and over a websocket. */
export const natsRoutes = [
  'over a NATS route',
  'from a NATS leaf node',
  'to a NATS leaf node',
  'over NATS websockets',
] as const;

/** The ways to a peer over NATS. */
export type NatsMedium = (typeof natsMedia)[number] | (typeof natsRoutes)[number];

/** `describe` for tests that need a nats-server: they are skipped without one. */
export const describeNats: typeof describe = describe.skipIf(natsProgram === undefined) as typeof describe;

/** Connects both sides of pairs, and gives what the second one accepts. */
interface Bridge {
  open(): Promise<{ near: Transport; far: Transport }>;
  close(): Promise<void>;
}

const faults = { lost: 0.02, doubled: 0.02, delayed: 0.02 };
const bridges = new Map<NatsMedium, Bridge>();

/** Starts the nats-servers and the connections of some media for the tests of the current file. */
export function useNatsMedia(media: readonly NatsMedium[]): void {
  const ways = new Ways();
  beforeAll(async () => {
    for (const medium of media) bridges.set(medium, await ways.bridge(medium));
  });
  afterAll(async () => {
    for (const each of bridges.values()) await each.close();
    bridges.clear();
    await ways.close();
  });
}

/** The nats-servers and the connections below the media. */
class Ways {
  readonly #servers: NatsServerProcess[] = [];
  readonly #connections: { close(): Promise<void> }[] = [];
  #single: NatsServerProcess | undefined;
  #leaf: readonly [hub: NatsServerProcess, leaf: NatsServerProcess] | undefined;

  async bridge(medium: NatsMedium): Promise<Bridge> {
    if (medium === 'over a NATS route') {
      const [one, other] = this.#keep(await startCluster(2));
      return bridge(await this.#connect(one!), await this.#connect(other!));
    }
    if (medium.endsWith('leaf node')) {
      this.#leaf ??= this.#keep(await startLeaf());
      const [hub, leaf] = this.#leaf;
      const ends = [await this.#connect(leaf), await this.#connect(hub)] as const;
      return medium === 'from a NATS leaf node' ? bridge(ends[0], ends[1]) : bridge(ends[1], ends[0]);
    }
    if (!this.#single) {
      const config = 'websocket { listen: "127.0.0.1:<websocket>", no_tls: true }';
      [this.#single] = this.#keep([await NatsServerProcess.start(config)] as const);
    }
    const server = this.#single;
    const connect =
      medium === 'over NATS websockets' ? () => server.connectOverWebSocket() : () => server.connect();
    const one = this.#keepConnection(await connect());
    if (medium === 'over one NATS connection') return bridge(one, one);
    const other = this.#keepConnection(await connect());
    if (medium === 'over lossy NATS') {
      return bridge(new FaultyConnection(one, faults, 1), new FaultyConnection(other, faults, 2));
    }
    return bridge(one, other, medium === 'over NATS with a window of 8 KiB' ? { window: 8192 } : {});
  }

  async close(): Promise<void> {
    for (const each of this.#connections) await each.close();
    for (const each of this.#servers) await each.stop();
  }

  #keep<T extends readonly NatsServerProcess[]>(servers: T): T {
    this.#servers.push(...servers);
    return servers;
  }

  async #connect(server: NatsServerProcess): Promise<NatsConnectionLike> {
    return this.#keepConnection(await server.connect());
  }

  #keepConnection<T extends { close(): Promise<void> }>(connection: T): T {
    this.#connections.push(connection);
    return connection;
  }
}

/** The two ends of a new session. */
export async function natsPair(medium: NatsMedium): Promise<{ near: Transport; far: Transport }> {
  const found = bridges.get(medium);
  if (!found) throw new Error(`there is no bridge ${medium}: call useNatsMedia`);
  return found.open();
}

async function bridge(
  one: NatsConnectionLike,
  other: NatsConnectionLike,
  options: NatsOptions = {},
): Promise<Bridge> {
  const id = randomId();
  const instance = { name: 'suite', id, version: '0.0.0', metadata: {} };
  const listener = new NatsListener(hubFor(other, options), instance, 1024);
  let taken: ((connection: Incoming) => void) | undefined;
  await listener.open({
    accept: (connection) => taken?.(connection),
    report: (error) => {
      throw error;
    },
  });
  const hub = hubFor(one, options);
  const open = async (): Promise<{ near: Transport; far: Transport }> => {
    const accepted = new Promise<Incoming>((resolve) => {
      taken = resolve;
    });
    const near = await hub.open(instanceSubject('suite', id), new AbortController().signal);
    const { transport: far } = await accepted;
    return { near, far };
  };
  // Another nats-server gets to know the instance a little later.
  let first = await open().catch(() => undefined);
  while (!first) first = await open().catch(() => undefined);
  first.near.abort();
  first.far.abort();
  return { open, close: () => listener.close() };
}
