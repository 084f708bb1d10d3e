import { type Bytes, concatBytes } from '../../lib/util/bytes.js';
import { ClientHandshake } from '../../lib/session/handshake/client.js';
import type { ClientHandshakeOptions } from '../../lib/session/handshake/options.js';
import type { ReaderOptions } from '../../lib/session/record/parser.js';
import { ServerHandshake } from '../../lib/session/handshake/server.js';
import type { ServerHandshakeOptions } from '../../lib/session/handshake/options.js';
import { MemoryEnd } from './memory-end.js';
import { keyPair } from './vectors.js';

export interface Pair {
  readonly client: MemoryEnd;
  readonly server: MemoryEnd;
}

/** A client and a server in memory, not yet connected. */
export async function handshakePair(
  client: ClientHandshakeOptions = {},
  server: Partial<ServerHandshakeOptions> = {},
  reader: ReaderOptions = {},
): Promise<Pair> {
  const key = await keyPair('server2048');
  return {
    client: new MemoryEnd(new ClientHandshake(client), reader),
    server: new MemoryEnd(new ServerHandshake({ key, ...server }), reader),
  };
}

/** Carries what each side sends to the other until neither has anything to say. */
export async function exchange(
  { client, server }: Pair,
  meddle?: (from: string, bytes: Bytes) => Bytes,
): Promise<void> {
  for (;;) {
    const up = client.takeSent();
    if (up.length > 0) await server.feed(meddle?.('client', up) ?? up);
    const down = server.takeSent();
    if (down.length > 0) await client.feed(meddle?.('server', down) ?? down);
    if (up.length + down.length === 0) return;
  }
}

/** A client and a server whose handshake is done. */
export async function sessionPair(...options: Parameters<typeof handshakePair>): Promise<Pair> {
  const pair = await handshakePair(...options);
  await pair.client.start();
  await exchange(pair);
  if (pair.client.error) throw pair.client.error;
  if (pair.server.error) throw pair.server.error;
  if (!pair.client.settled || !pair.server.settled) throw new Error('the handshake did not settle');
  return pair;
}

/** A message as the stream carries it. */
export function framed(message: Bytes | string): Bytes {
  const body = typeof message === 'string' ? new TextEncoder().encode(message) : message;
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, body.length, true);
  return concatBytes([header, body]);
}

/** Messages of a side, sealed, as one piece of bytes. */
export async function sealed(end: MemoryEnd, ...messages: (Bytes | string)[]): Promise<Bytes> {
  return concatBytes(await end.session!.sealer.stream(messages.map(framed)));
}
