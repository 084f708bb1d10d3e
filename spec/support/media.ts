import { MessageChannel } from 'node:worker_threads';
import { memoryPair } from '../../lib/transport/memory.js';
import { toTransport, type Carrier } from '../../lib/transport/to-transport.js';
import type { Transport } from '../../lib/transport/transport.js';
import { natsMedia, natsPair, natsRoutes, type NatsMedium } from './nats.js';
import { childPairs, nodeStreamPairs, tcpPair, webStreamPairs } from './streams.js';
import { webSocketPair } from './web-sockets.js';

/** The connection below a pair of sockets: a name in `media`. */
export type Medium =
  | 'in memory'
  | 'over TCP'
  | 'over WebSocket'
  | 'over MessagePort'
  | 'over Web Streams'
  | 'over Node streams'
  | 'over pipes of a child'
  | NatsMedium;

/** The media that have no reset: a cut is an end inside of a message. */
export const withoutReset: readonly Medium[] = ['over Node streams', 'over pipes of a child'];

/** The two ends of one connection. */
export interface Connection {
  readonly near: Carrier;
  readonly far: Carrier;
  /** Cuts the connection without an end of stream. */
  readonly cut: () => unknown;
  readonly dispose?: () => unknown;
}

/** Two connected transports in memory. */
export function inMemory(): { near: Transport; far: Transport } {
  const [near, far] = memoryPair();
  return { near, far };
}

/** Opens a connection of each medium. */
export const media: Readonly<Record<Medium, () => Promise<Connection> | Connection>> = {
  'in memory': () => {
    const { near, far } = inMemory();
    return {
      near,
      far,
      cut: () => {
        near.abort();
      },
    };
  },

  'over TCP': async () => {
    const pair = await tcpPair();
    return { ...pair, cut: () => pair.near.resetAndDestroy() };
  },

  'over WebSocket': async () => {
    const pair = await webSocketPair();
    return {
      ...pair,
      cut: () => {
        pair.near.terminate();
      },
    };
  },

  'over MessagePort': () => {
    const { port1, port2 } = new MessageChannel();
    const cut = (): void => {
      port1.close();
    };
    return { near: port1, far: port2, cut, dispose: cut };
  },

  'over Web Streams': () => abortable(webStreamPairs()),
  'over Node streams': async () => truncatable(await nodeStreamPairs()),
  'over pipes of a child': async () => truncatable(await childPairs()),
  ...overNats(),
};

function overNats(): Record<NatsMedium, () => Promise<Connection>> {
  const open = (medium: NatsMedium) => async () => abortable(await natsPair(medium));
  const entries = [...natsMedia, ...natsRoutes].map((medium) => [medium, open(medium)]);
  return Object.fromEntries(entries) as Record<NatsMedium, () => Promise<Connection>>;
}

function abortable(ends: Omit<Connection, 'cut'>): Connection {
  const near = toTransport(ends.near);
  const cut = (): void => {
    near.abort();
  };
  return { ...ends, near, cut };
}

/** A connection whose cut is an end inside of a message, if the message still fits. */
function truncatable(ends: Omit<Connection, 'cut'>): Connection {
  const near = toTransport(ends.near);
  const abort = (): void => {
    near.abort();
  };
  const cut = (): void => {
    if (!near.write([Uint8Array.of(1)], abort)) abort();
  };
  return { ...ends, near, cut };
}
