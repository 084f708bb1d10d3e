import { afterAll, beforeAll, describe } from 'vitest';
import type { Incoming } from '../../lib/net/incoming.js';
import type { NatsOptions } from '../../lib/nats/hub-settings.js';
import { hubFor } from '../../lib/nats/hubs.js';
import type { NatsConnectionLike } from '../../lib/nats/nats-connection.js';
import { NatsListener } from '../../lib/nats/nats-listener.js';
import { instanceSubject, randomId } from '../../lib/nats/subjects.js';
import type { Transport } from '../../lib/transport/transport.js';
import { FaultyConnection } from './nats-faults.js';
import { natsProgram, NatsServerProcess } from './nats-server.js';

/** The ways to a peer over NATS. */
export type NatsMedium =
  | 'over NATS'
  | 'over one NATS connection'
  | 'over NATS with a window of 8 KiB'
  | 'over lossy NATS'
  | 'over a route of NATS'
  | 'from a leaf of NATS'
  | 'to a leaf of NATS'
  | 'over a WebSocket of NATS';

/** The media that need one nats-server. */
export const natsMedia: readonly NatsMedium[] = [
  'over NATS',
  'over one NATS connection',
  'over NATS with a window of 8 KiB',
  'over lossy NATS',
];

/** The media whose ends are not at the same nats-server, or connect in different ways. */
export const remoteNatsMedia: readonly NatsMedium[] = [
  'over a route of NATS',
  'from a leaf of NATS',
  'to a leaf of NATS',
  'over a WebSocket of NATS',
];

/** `describe` for tests that need a nats-server: they are skipped without one. */
export const describeNats: typeof describe = describe.skipIf(natsProgram === undefined) as typeof describe;

type Connection = NatsConnectionLike & { close(): Promise<void> };

/** Connects both sides of pairs, and gives what the second one accepts. */
interface Bridge {
  open(): Promise<{ near: Transport; far: Transport }>;
  close(): Promise<void>;
}

const faults = { lost: 0.02, doubled: 0.02, delayed: 0.02 };
const bridges = new Map<NatsMedium, Bridge>();

/** Starts a nats-server and the connections of `natsMedia` for the tests of a file or block. */
export function useNatsMedia(): void {
  useBridges(async (start) => {
    const server = await start();
    const both = await server.connect();
    const [one, other] = [await server.connect(), await server.connect()];
    return {
      'over NATS': bridge(await server.connect(), await server.connect()),
      'over one NATS connection': bridge(both, both),
      'over NATS with a window of 8 KiB': bridge(await server.connect(), await server.connect(), {
        window: 8192,
      }),
      'over lossy NATS': bridge(new FaultyConnection(one, faults, 1), new FaultyConnection(other, faults, 2)),
    };
  });
}

/** Starts nats-servers and the connections of `remoteNatsMedia` for the tests of a file or block. */
export function useRemoteNatsMedia(): void {
  useBridges(async (start) => {
    const free = 'host: "127.0.0.1", port: -1';
    const server = await start(`
      cluster { name: suite, ${free} }
      leafnodes { ${free} }
      websocket { ${free}, no_tls: true }`);
    const routes = `routes: ["${server.urlOf('route')}"]`;
    const neighbour = await start(`cluster { name: suite, ${free}, ${routes} }`);
    const leaf = await start(`leafnodes { remotes: [{ url: "${server.urlOf('leafnode')}" }] }`);
    return {
      'over a route of NATS': bridge(await server.connect(), await neighbour.connect()),
      'from a leaf of NATS': bridge(await leaf.connect(), await server.connect()),
      'to a leaf of NATS': bridge(await server.connect(), await leaf.connect()),
      'over a WebSocket of NATS': bridge(await server.connectWebSocket(), await server.connect()),
    };
  });
}

type Start = (config?: string) => Promise<NatsServerProcess>;

function useBridges(open: (start: Start) => Promise<Partial<Record<NatsMedium, Promise<Bridge>>>>): void {
  const servers: NatsServerProcess[] = [];
  beforeAll(async () => {
    const opened = await open(async (config) => {
      const server = await NatsServerProcess.start(config);
      servers.push(server);
      return server;
    });
    for (const [medium, made] of Object.entries(opened)) bridges.set(medium as NatsMedium, await made);
  });
  afterAll(async () => {
    for (const each of bridges.values()) await each.close();
    bridges.clear();
    for (const each of servers) await each.stop();
  });
}

/** The two ends of a new session. */
export async function natsPair(medium: NatsMedium): Promise<{ near: Transport; far: Transport }> {
  const found = bridges.get(medium);
  if (!found) throw new Error(`there is no bridge ${medium}: call useNatsMedia`);
  return found.open();
}

async function bridge(one: Connection, other: Connection, options: NatsOptions = {}): Promise<Bridge> {
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
  const target = instanceSubject('suite', id);
  const { signal } = new AbortController();
  // A nats-server gets to know the subscriptions at another one some time after the link is there.
  for (;;) {
    const reached = await hub.open(target, signal).catch(() => undefined);
    if (!reached) continue;
    reached.abort();
    break;
  }
  return {
    open: async () => {
      const accepted = new Promise<Incoming>((resolve) => {
        taken = resolve;
      });
      const near = await hub.open(target, signal);
      const { transport: far } = await accepted;
      return { near, far };
    },
    close: async () => {
      await listener.close();
      for (const each of new Set([one, other])) await each.close();
    },
  };
}
