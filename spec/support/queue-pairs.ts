import type { Socket } from 'node:net';
import { QueueSocket } from '../../lib/queue/queue-socket.js';
import type { QueueSocketOptions } from '../../lib/queue/queue-socket-options.js';
import { EncryptedSocket } from '../../lib/sockets/encrypted-socket.js';
import type { LockedSocketOptions } from '../../lib/sockets/locked-socket-options.js';
import { LockedSocket } from '../../lib/sockets/locked-socket.js';
import { keys } from './encrypted.js';
import { tcpPair } from './streams.js';

/** What a queue socket is made over. */
export type Kind = 'plain' | 'encrypted';
export const kinds: readonly Kind[] = ['plain', 'encrypted'];

/** Two queue sockets joined by real TCP, not started yet. */
export interface QueuePair {
  readonly near: QueueSocket;
  readonly far: QueueSocket;
  /** Breaks the connection as a network does: a reset for both. */
  readonly cut: () => void;
  readonly dispose: () => Promise<void>;
}

/** A socket of messages over one end of a connection. */
export function overStream(
  kind: Kind,
  stream: Socket,
  side: 'client' | 'server',
  options: LockedSocketOptions = {},
) {
  if (kind === 'plain') return new LockedSocket(stream, options);
  return side === 'server'
    ? new EncryptedSocket(stream, { ...options, isServer: true, key: keys.server })
    : new EncryptedSocket(stream, { ...options, key: keys.server.publicKey });
}

export async function queuePair(
  kind: Kind,
  near: QueueSocketOptions = {},
  far: QueueSocketOptions = {},
): Promise<QueuePair> {
  const streams = await tcpPair();
  return {
    near: new QueueSocket(overStream(kind, streams.near, 'client'), near),
    far: new QueueSocket(overStream(kind, streams.far, 'server'), far),
    cut: () => {
      streams.near.resetAndDestroy();
    },
    dispose: streams.dispose,
  };
}
