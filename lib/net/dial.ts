import { K4netError, PeerAlertError, systemCode } from '../errors.js';
import { withOptions } from '../util/options.js';
import { builtin, type NodeSocket } from '../platform/runtime.js';
import { mayRetryAfter } from '../session/record/alerts.js';
import { describeAddress, type Address } from './address.js';

/** Options of Node for the connections of both sides; the delay of keepalives is in milliseconds. */
export const socketOptions: {
  readonly allowHalfOpen: boolean;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
} = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

/** System errors that another attempt may not meet. */
const passing = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EAGAIN',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'ENOENT',
]);

/** Opens one connection. Rejects with `K4NET_CONNECT`, or with the reason of the signal. */
export function dial(address: Address, signal: AbortSignal): Promise<NodeSocket> {
  const { connect } = builtin('node:net', 'a connection');
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(withOptions({ ...address, ...socketOptions }));
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort);
    // Stays for good: between this promise and the socket's new owner there is nobody else to hear an error.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      const message = `no connection to ${describeAddress(address)}: ${systemCode(error) || error.message}`;
      reject(new K4netError('K4NET_CONNECT', message, { cause: error }));
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(socket);
    });
  });
}

/**
 * Whether another attempt may succeed: the server is not up yet or is busy, or the network failed for a moment. An alert in
 * the clear may be from anyone, so it counts like a connection that just ended, unless a retry would send the same offer to
 * the same refusal: see "Errors" in docs/protocol.md.
 */
export function mayPass(error: unknown): boolean {
  if (error instanceof PeerAlertError) return !error.authenticated && mayRetryAfter(error.alert);
  if (!K4netError.is(error)) return false;
  if (error.code === 'K4NET_CONNECT') return passing.has(systemCode(error.cause));
  return error.code === 'K4NET_CONNECTION' || error.code === 'K4NET_PEER_CLOSED';
}
