import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../net/connect.js';
import type { LockedSocket } from '../sockets/locked-socket.js';
import type { Greeting } from './demo-server.js';
import { formatBytes, formatCount } from './format.js';
import { describeReceipt, Tally, type Receipt } from './tally.js';

const messageSize = 64 * 1024;

/** The main job: a file to another process and back, as messages. Returns the exit code. */
export async function demo(named: string | undefined): Promise<number> {
  const file = named ?? process.execPath;
  const info = await stat(file);
  if (!info.isFile()) throw new Error(`${file} is not a file`);
  if (named === undefined) say(`no file was named, so this sends the Node program itself: ${file}`);

  const server = spawn(
    process.execPath,
    [fileURLToPath(new URL('main.js', import.meta.url)), 'demo-server'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(server, 'exit') as Promise<[number | null]>;
  try {
    const lines = createInterface({ input: server.stdout });
    const [first] = (await Promise.race([once(lines, 'line'), exited.then(diedEarly)])) as [string];
    lines.on('line', (line) => process.stdout.write(`${line}\n`));
    const { address, fingerprint } = JSON.parse(first) as Greeting;
    const socket = await connect({ ...address, pin: fingerprint });
    say(`connected to ${socket.remoteAddress}, the server in process ${server.pid ?? 0}`);
    say(`encrypted; the server has the key that was pinned, ${fingerprint.slice(0, 23)}...`);
    const ok = await exchange(socket, file);
    const [code] = await exited;
    return ok && code === 0 ? 0 : 1;
  } finally {
    server.kill();
  }
}

async function exchange(socket: LockedSocket, file: string): Promise<boolean> {
  const started = process.hrtime.bigint();
  const [sent, { back, receipt }] = await Promise.all([sendFile(socket, file), receiveBack(socket)]);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  await socket.close();
  say(`sent ${describeReceipt(sent)}`);
  say(`got back ${describeReceipt(back)}`);
  if (sent.sha256 !== back.sha256 || sent.sha256 !== receipt.sha256 || sent.messages !== back.messages) {
    say('the hashes differ: this should never happen');
    return false;
  }
  say('all hashes are equal: what arrived on either side is what was sent');
  const speed = `${formatBytes(sent.bytes / seconds)}/s and ${formatCount(Math.round(sent.messages / seconds), 'message')}/s`;
  say(`that took ${seconds.toFixed(2)} s: ${speed} each way, both ways at once`);
  return true;
}

async function sendFile(socket: LockedSocket, file: string): Promise<Receipt> {
  const tally = new Tally();
  for await (const chunk of createReadStream(file, { highWaterMark: messageSize }) as AsyncIterable<Buffer>) {
    tally.add(chunk);
    await socket.send(chunk);
  }
  await socket.send('');
  return tally.receipt();
}

async function receiveBack(socket: LockedSocket): Promise<{ back: Receipt; receipt: Receipt }> {
  const tally = new Tally();
  let last: Uint8Array | undefined;
  // The last message is the server's receipt and not of the file, so each is counted when the next one is there.
  for await (const message of socket) {
    if (last) tally.add(last);
    last = message;
  }
  return { back: tally.receipt(), receipt: JSON.parse(new TextDecoder().decode(last)) as Receipt };
}

function diedEarly([code]: [number | null]): never {
  throw new Error(`the server process ended with code ${String(code)} before it listened`);
}

function say(text: string): void {
  process.stdout.write(`client (process ${process.pid}): ${text}\n`);
}
