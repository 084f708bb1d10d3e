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
  'over NATS' | 'over one NATS connection' | 'over NATS with a window of 8 KiB' | 'over lossy NATS';

export const natsMedia: readonly NatsMedium[] = [
  'over NATS',
  'over one NATS connection',
  'over NATS with a window of 8 KiB',
  'over lossy NATS',
];

/** `describe` for tests that need a nats-server: they are skipped without one. */
export const describeNats: typeof describe = describe.skipIf(natsProgram === undefined) as typeof describe;

/** Connects both sides of pairs, and gives what the second one accepts. */
interface Bridge {
  open(): Promise<{ near: Transport; far: Transport }>;
  close(): Promise<void>;
}

const faults = { lost: 0.02, doubled: 0.02, delayed: 0.02 };
const bridges = new Map<NatsMedium, Bridge>();

/**
 * Starts a nats-server and the connections of all media for the tests of the current file or
 * `describe` block.
 */
export function useNatsMedia(): void {
  let server: NatsServerProcess;
  const connections: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    server = await NatsServerProcess.start();
    const connection = async (): Promise<NatsConnectionLike> => {
      const nc = await server.connect();
      connections.push(nc);
      return nc;
    };
    const both = await connection();
    bridges.set('over NATS', await bridge(await connection(), await connection()));
    bridges.set('over one NATS connection', await bridge(both, both));
    const window = { window: 8192 };
    const narrow = await bridge(await connection(), await connection(), window);
    bridges.set('over NATS with a window of 8 KiB', narrow);
    const [one, other] = [await connection(), await connection()];
    const lossy = await bridge(new FaultyConnection(one, faults, 1), new FaultyConnection(other, faults, 2));
    bridges.set('over lossy NATS', lossy);
  });
  afterAll(async () => {
    for (const each of bridges.values()) await each.close();
    bridges.clear();
    for (const each of connections) await each.close();
    await server.stop();
  });
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
  return {
    open: async () => {
      const accepted = new Promise<Incoming>((resolve) => {
        taken = resolve;
      });
      const near = await hub.open(instanceSubject('suite', id), new AbortController().signal);
      const { transport: far } = await accepted;
      return { near, far };
    },
    close: () => listener.close(),
  };
}
