import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
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

/** The standard streams of a child process (near), which relays them to and from a pipe (far). */
export function stdioPair(): Promise<StreamPair> {
  const relay = fileURLToPath(new URL('relay.mjs', import.meta.url));
  const child = spawn(process.execPath, [relay], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  recordStderr(child);
  const far = child.stdio[3] as Duplex;
  const near = Duplex.from({ readable: child.stdout, writable: child.stdin });
  const exited = once(child, 'exit');
  return Promise.resolve({
    near,
    far,
    dispose: async () => {
      far.on('error', () => undefined);
      near.on('error', () => undefined);
      far.destroy();
      near.destroy();
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
