import { connect, type EncryptedConnectOptions } from '../../lib/net/connect.js';
import { listen, type EncryptedListenOptions } from '../../lib/net/listen.js';
import type { Server } from '../../lib/net/server.js';
import type { EstablishedSocket } from '../../lib/sockets/encrypted-socket.js';
import { type Ends, keys } from '../support/encrypted.js';

/** Starts an encrypted server over TCP that sends every message back. */
export async function echoServer(
  ends: Ends,
  options: Partial<EncryptedListenOptions> = {},
): Promise<{ server: Server<EstablishedSocket>; port: number; errors: unknown[] }> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const server = await listen({ port: 0, key: keys.server, onError, ...options });
  ends.onClear(() => server.close({ timeout: 0 }));
  void server.serve(async (sock) => {
    for await (const message of sock) await sock.send(message);
  });
  return { server, port: (server.address() as { port: number }).port, errors };
}

/** Connects once, without retries. */
export async function dialOnce(ends: Ends, options: EncryptedConnectOptions): Promise<EstablishedSocket> {
  const socket = await connect({ retry: false, ...options });
  ends.onClear(() => socket.close(undefined, { timeout: 0 }));
  return socket;
}
