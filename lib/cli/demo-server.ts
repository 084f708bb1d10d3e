import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BinaryWriter } from '../binary/writer.js';
import type { Address } from '../net/address.js';
import { listen } from '../net/listen.js';
import { QueueSocket } from '../queue/queue-socket.js';
import { defaultKnownHostsPath } from '../trust/known-hosts-file.js';
import { bytesOf, describeReceipt, formatBytes, Tally } from './transfer.js';

/** The first line of output of the server process, as JSON. */
export interface Greeting {
  readonly address: Address;
  readonly fingerprint: string;
}

/**
 * The server process of the demo. It receives one file from one client and sends every chunk back.
 * The first run creates its key in the user's configuration folder.
 */
export async function demoServer(): Promise<number> {
  const folder = path.dirname(defaultKnownHostsPath());
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const server = await listen({ port: 0, keyPath: path.join(folder, 'demo') });
  // The client is the parent process. It reads the address and the fingerprint from the first line.
  const { fingerprint } = server;
  process.stdout.write(`${JSON.stringify({ address: server.address(), fingerprint } satisfies Greeting)}\n`);
  for await (const socket of server) {
    const queue = new QueueSocket(socket);
    takeFile(queue);
    queue.start();
    await queue.closed;
    break;
  }
  await server.close();
  return 0;
}

/** Sends the chunks of an upload back as they arrive. */
function takeFile(queue: QueueSocket): void {
  const back = new PassThrough({ objectMode: true, highWaterMark: 1 });
  queue.registerCallback('put', async (reader, { body }) => {
    const name = reader.readString();
    say(`expecting the file ${JSON.stringify(name)}, ${formatBytes(Number(reader.readUlonglong()))}`);
    const tally = new Tally();
    await pipeline(tally.count(bytesOf(body)), back);
    const receipt = tally.receipt();
    say(`got ${describeReceipt(receipt)}`);
    return (writer: BinaryWriter) => {
      writer.writeString(JSON.stringify(receipt));
    };
  });
  queue.registerCallback('back', () => back);
}

function say(text: string): void {
  process.stdout.write(`server (process ${process.pid}): ${text}\n`);
}
