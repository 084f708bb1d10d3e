import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../net/connect.js';
import { QueueSocket } from '../queue/queue-socket.js';
import type { Greeting } from './demo-server.js';
import { Progress, Screen } from './screen.js';
import { describeReceipt, exchangeFile, formatBytes, formatCount } from './transfer.js';

const label = `client (process ${process.pid})`;
const screen = new Screen(process.stdout);

/** Sends a file to another process and back. Returns the exit code. */
export async function demo(named: string | undefined): Promise<number> {
  const file = named ?? process.execPath;
  const info = await stat(file);
  if (!info.isFile()) throw new Error(`${file} is not a file`);
  if (named === undefined) say(`no FILE argument: this sends the Node program itself, ${file}`);

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
    lines.on('line', (line) => {
      screen.say(line);
    });
    const { address, fingerprint } = JSON.parse(first) as Greeting;
    const socket = await connect({ ...address, pin: fingerprint });
    say(`connected to ${socket.remoteAddress}, the server in process ${server.pid ?? 0}`);
    say(`encrypted; the server has the key that was pinned, ${fingerprint.slice(0, 23)}...`);
    const ok = await exchange(new QueueSocket(socket), file, info.size);
    const [code] = await exited;
    return ok && code === 0 ? 0 : 1;
  } finally {
    screen.end();
    server.kill();
  }
}

async function exchange(queue: QueueSocket, file: string, size: number): Promise<boolean> {
  queue.start();
  say('the file is the body of a call; at the same time, a stream brings its chunks back');
  const progress = new Progress(screen, label, size);
  const started = process.hrtime.bigint();
  const { sent, back, receipt } = await exchangeFile(queue, file, size, (bytes) => {
    progress.update(bytes);
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  await queue.close();
  say(`sent ${describeReceipt(sent)}`);
  say(`got back ${describeReceipt(back)}`);
  if (sent.sha256 !== back.sha256 || sent.sha256 !== receipt.sha256 || sent.chunks !== back.chunks) {
    say('the hashes differ: this should never happen');
    return false;
  }
  say('all hashes are equal: both sides received exactly the bytes that were sent');
  const speed = `${formatBytes(sent.bytes / seconds)}/s and ${formatCount(Math.round(sent.chunks / seconds), 'chunk')}/s`;
  say(`that took ${seconds.toFixed(2)} s: ${speed} each way, both ways at once`);
  return true;
}

function diedEarly([code]: [number | null]): never {
  throw new Error(`the server process ended with code ${String(code)} before it listened`);
}

function say(text: string): void {
  screen.say(`${label}: ${text}`);
}
