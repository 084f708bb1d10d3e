import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Address } from '../net/address.js';
import { listen } from '../net/listen.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { defaultKnownHostsPath } from '../trust/known-hosts.js';
import { describeReceipt, Tally, type Receipt } from './tally.js';

/** What the server process says first. */
export interface Greeting {
  readonly address: Address;
  readonly fingerprint: string;
}

/**
 * The server process of the demo. Its key is made on the first run, in the user's configuration folder. It sends
 * every message back, and at the end says what it got.
 */
export async function demoServer(): Promise<number> {
  const folder = path.dirname(defaultKnownHostsPath());
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const server = await listen({ port: 0, keyPath: path.join(folder, 'demo') });
  // The client is the parent: it learns from the first line where to connect and which key to expect there.
  const { fingerprint = '' } = server;
  process.stdout.write(`${JSON.stringify({ address: server.address(), fingerprint } satisfies Greeting)}\n`);
  for await (const socket of server) {
    const receipt = await sendBack(socket);
    process.stdout.write(`server (process ${process.pid}): got ${describeReceipt(receipt)}\n`);
    await socket.close(JSON.stringify(receipt));
    break;
  }
  await server.close();
  return 0;
}

async function sendBack(socket: LockedSocket): Promise<Receipt> {
  const tally = new Tally();
  for await (const message of socket) {
    // An empty message says that the file is complete.
    if (message.length === 0) break;
    tally.add(message);
    await socket.send(message);
  }
  return tally.receipt();
}
