import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { fromChildProcess } from '../../lib/net/child-process.js';
import type { NodeStreamPair } from '../../lib/transport/duplex-like.js';
import type { Transport } from '../../lib/transport/transport.js';
import type { WebStreamPair } from '../../lib/transport/web-streams.js';
import { testCertificate, testKey } from './test-certificate.js';
import { recordStderr } from './warnings.js';

/** The two ends of one connection. `dispose` releases both and everything behind them. */
export interface StreamPair {
  readonly near: Duplex;
  readonly far: Duplex;
  readonly dispose: () => Promise<void>;
}

/** A loopback TCP connection. */
export async function tcpPair(): Promise<StreamPair & { readonly near: Socket; readonly far: Socket }> {
  return pairOf({ port: 0, host: '127.0.0.1' });
}

/** A connection over a Unix socket. */
export async function unixPair(): Promise<StreamPair> {
  const folder = await mkdtemp(join(tmpdir(), 'k4net-spec-'));
  const pair = await pairOf({ path: join(folder, 'socket') });
  return {
    ...pair,
    dispose: async () => {
      await pair.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A TLS connection over loopback TCP, with a certificate that only the tests trust. */
export async function tlsPair(): Promise<StreamPair> {
  const server = createTlsServer({ key: testKey, cert: testCertificate, allowHalfOpen: true });
  const port = await listening(server, { port: 0, host: '127.0.0.1' });
  const accepted = once(server, 'secureConnection');
  const near = connectTls({ port, host: '127.0.0.1', ca: testCertificate, servername: 'localhost' });
  await once(near, 'secureConnect');
  const [far] = (await accepted) as [Duplex];
  return { near, far, dispose: () => disposed(server, near, far) };
}

/** The two ends of one connection, each a stream for either direction. */
export interface StreamPairs<Pair> {
  readonly near: Pair;
  readonly far: Pair;
  readonly dispose: () => Promise<void>;
}

/** Web Streams in memory. */
export function webStreamPairs(): StreamPairs<WebStreamPair> {
  const [one, two] = [
    new TransformStream<Uint8Array, Uint8Array>(),
    new TransformStream<Uint8Array, Uint8Array>(),
  ];
  return {
    near: { readable: one.readable, writable: two.writable },
    far: { readable: two.readable, writable: one.writable },
    dispose: () => Promise.resolve(),
  };
}

/** Web Streams over loopback TCP. */
export async function webTcpPairs(): Promise<StreamPairs<WebStreamPair>> {
  const { near, far, dispose } = await tcpPair();
  return { near: webStreamsOf(near), far: webStreamsOf(far), dispose };
}

/** The Web Streams of a socket. `Duplex.toWeb` of Node 20 and 22 loses ends and errors. */
function webStreamsOf(socket: Socket): WebStreamPair {
  socket.allowHalfOpen = true;
  let reader: ReadableStreamDefaultController<Uint8Array> | undefined;
  // A reset of a socket that waits to send its end would leave its handle open.
  const cut = (): void => {
    if (socket.writableEnded) socket.destroy();
    else socket.resetAndDestroy();
  };
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      reader = controller;
      socket.on('data', (chunk: Buffer) => {
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) socket.pause();
      });
      socket.on('end', () => {
        controller.close();
        reader = undefined;
      });
      socket.pause();
    },
    pull: () => void socket.resume(),
    cancel: cut,
  });
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      socket.on('error', (error) => {
        reader?.error(error);
        controller.error(error);
      });
    },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        socket.write(chunk, (error) => {
          if (error) reject(error);
          else resolve();
        });
      }),
    close: () =>
      new Promise((resolve) => {
        socket.end(resolve);
      }),
    abort: cut,
  });
  return { readable, writable };
}

/** Node streams: a TCP connection for each direction. */
export async function nodeStreamPairs(): Promise<StreamPairs<NodeStreamPair>> {
  const [one, two] = [await tcpPair(), await tcpPair()];
  return {
    near: { readable: one.near, writable: two.near },
    far: { readable: two.far, writable: one.far },
    dispose: async () => {
      await Promise.all([one.dispose(), two.dispose()]);
    },
  };
}

/**
 * The standard streams of a child process (near), which relays them to and from a pipe of its own
 * (far).
 */
export function childPairs(): Promise<{
  readonly near: NodeStreamPair;
  readonly far: Transport;
  readonly dispose: () => Promise<void>;
}> {
  const relay = fileURLToPath(new URL('relay.mjs', import.meta.url));
  const child = spawn(process.execPath, [relay], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  recordStderr(child);
  const pipe = child.stdio[3] as Duplex;
  const exited = once(child, 'exit');
  return Promise.resolve({
    near: { readable: child.stdout, writable: child.stdin },
    far: fromChildProcess(child),
    dispose: async () => {
      for (const stream of [pipe, child.stdin, child.stdout]) {
        stream.on('error', () => undefined);
        stream.destroy();
      }
      child.kill('SIGKILL');
      await exited;
    },
  });
}

/** Starts a server and returns its port (0 for a path). */
export async function listening(server: Server, where: { port?: number; host?: string; path?: string }) {
  server.listen(where);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function pairOf(where: { port?: number; host?: string; path?: string }) {
  const server = createServer({ allowHalfOpen: true });
  const port = await listening(server, where);
  const accepted = once(server, 'connection');
  const near = connect((where.path === undefined ? { ...where, port } : where) as NetConnectOpts);
  await once(near, 'connect');
  const [far] = (await accepted) as [Socket];
  return { near, far, dispose: () => disposed(server, near, far) };
}

async function disposed(server: Server, ...streams: Duplex[]): Promise<void> {
  for (const stream of streams) {
    stream.on('error', () => undefined);
    stream.destroy();
  }
  await new Promise((resolve) => server.close(resolve));
}
