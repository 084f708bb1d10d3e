import { K4netError, systemCode } from '../errors.js';
import { builtin, type NodeSocket } from '../platform/runtime.js';
import { toTransport } from '../transport/to-transport.js';
import type { Transport } from '../transport/transport.js';
import { withOptions } from '../util/options.js';
import { describeAddress, type Address } from './address.js';

/**
 * Options of node:net for the connections of both sides. `keepAliveInitialDelay` is in
 * milliseconds.
 */
export const socketOptions: Readonly<Record<string, boolean | number>> = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

/**
 * Opens one connection over TCP or to a path. Rejects with `K4NET_CONNECT`, or with the reason of
 * the signal.
 */
export function dialTcp(address: Address, signal: AbortSignal): Promise<Transport> {
  const { connect } = builtin('node:net', 'a connection');
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const failed = (error: Error): void => {
      const message = `no connection to ${describeAddress(address)}: ${systemCode(error) || error.message}`;
      reject(new K4netError('K4NET_CONNECT', message, { cause: error }));
    };
    let socket: NodeSocket;
    try {
      socket = connect(withOptions({ ...address, ...socketOptions }));
    } catch (error) {
      // Deno throws if the program may not connect there.
      failed(error as Error);
      return;
    }
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort);
    // This listener stays: until the socket has a new owner, nothing else handles its errors.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      failed(error);
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(toTransport(socket));
    });
  });
}
