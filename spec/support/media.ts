import { MessageChannel } from 'node:worker_threads';
import { memoryPair } from '../../lib/transport/memory.js';
import type { Carrier } from '../../lib/transport/to-transport.js';
import type { Transport } from '../../lib/transport/transport.js';
import { tcpPair } from './streams.js';
import { webSocketPair } from './web-sockets.js';

/** The connection below a pair of sockets: a name in `media`. */
export type Medium = 'in memory' | 'over TCP' | 'over WebSocket' | 'over MessagePort';

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
};
