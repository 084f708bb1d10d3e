// Type-checked against the packed package with Node's types. It is never run.
import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import { TLSSocket } from 'node:tls';
import {
  connect,
  listen,
  LockedSocket,
  type AbortSignalLike,
  type ConnectionHandler,
  type DuplexLike,
  type HandlerContext,
} from 'k4net';

export const streams: DuplexLike[] = [new Socket(), new TLSSocket(new Socket()), new PassThrough()];
export const sockets: LockedSocket[] = [
  new LockedSocket(new Socket()),
  new LockedSocket(new TLSSocket(new Socket())),
  new LockedSocket(new PassThrough()),
  new LockedSocket(Duplex.from({ readable: process.stdin, writable: process.stdout })),
];

const handler: ConnectionHandler = async (sock: LockedSocket, { signal }: HandlerContext) => {
  for await (const message of sock) await sock.send(Buffer.from(message), { signal });
};

export async function talk(): Promise<Buffer> {
  const signal: AbortSignalLike = new AbortController().signal;
  const server = await listen({ port: 0, plain: true });
  void server.serve(handler);
  const sock = await connect({ ...server.address(), plain: true, signal: AbortSignal.timeout(1000) });
  await sock.send(Buffer.alloc(1), { signal: new AbortController().signal });
  const raw = new Socket();
  await once(raw, 'connect', { signal: new AbortController().signal });
  return Buffer.concat([await sock.recv({ signal })]);
}
