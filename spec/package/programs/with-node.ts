// Type-checked against the packed package with Node's types. It is never run.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { Socket } from 'node:net';
import { Duplex, PassThrough, pipeline as callback } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { createGzip } from 'node:zlib';
import type { QueueSocket } from 'k4net';
import {
  connect,
  fromChildProcess,
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
  new LockedSocket(fromChildProcess(spawn('program', { stdio: ['ignore', 'inherit', 'pipe', 'pipe'] }))),
  new LockedSocket(fromChildProcess(fork('program.js'), { fd: 4 })),
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

/** The signals that callbacks and handlers get are those of Node. */
export async function pass(queue: QueueSocket): Promise<void> {
  queue.registerCallback('page', async (reader, { signal }) => {
    await sleep(1, undefined, { signal });
    const page = await fetch(reader.readString(), { signal });
    signal.throwIfAborted();
    return page.text();
  });
  const server = await listen({ port: 0, ephemeralKey: true });
  await server.serve(async (sock, { signal }) => {
    const given: AbortSignal = signal;
    await once(new Socket(), 'connect', { signal: given });
    await sock.send(sock.peer.how, { signal });
    const onward = await connect({ port: 1, signal });
    await onward.send(onward.peer.how, { signal });
  });
}

/** The streams of a socket are what Node's functions for streams take. */
export async function transfer(sock: LockedSocket): Promise<void> {
  await pipeline(createReadStream('file'), createGzip(), sock.writable());
  await pipeline(createReadStream('file'), sock.writable(), { end: false });
  await pipeline(sock.readable(), createGzip(), createWriteStream('file'));
  await pipeline(sock.readable(), sock.writable());
  await finished(sock.writable());
  callback(sock.readable(), sock.writable(), (error) => error?.code);
  const stream: NodeJS.WritableStream = new PassThrough().pipe(sock.writable());
  const file = sock.readable().pipe(createWriteStream('file'));
  file.close();
  sock.readable().on('data', (message: Uint8Array) => stream.write(message));
}
