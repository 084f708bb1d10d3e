import { listen } from '../net/listen.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import { describeReceipt, Tally, type Receipt } from './tally.js';

/** The server process of the demo: sends every message back, and at the end says what it got. */
export async function demoServer(): Promise<number> {
  const server = await listen({ port: 0, plain: true });
  // The client is the parent: it learns the port from the first line.
  process.stdout.write(`${JSON.stringify(server.address())}\n`);
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
