// A child process with a pipe to its parent. The arguments are the task, the file descriptor of the
// pipe, and 'encrypted' or 'plain'.
import { EncryptedSocket, fromParentProcess, LockedSocket } from '../../../dist/index.js';

const [, , task, fd = '3', kind = 'plain'] = process.argv;

const sendBack = async (sock) => {
  for await (const message of sock) await sock.send(message);
};

const tasks = {
  'send back': sendBack,
  'report its end': async (sock) => {
    await sock.send('ready');
    const error = await sock.recv().catch((reason) => reason);
    await sock.close();
    console.log(`${error.code} ${(await sock.closed).code}`);
  },
  'print much': async (sock) => {
    for (const stream of [process.stdout, process.stderr]) stream.write('x'.repeat(1024 * 1024));
    await sendBack(sock);
  },
  'read nothing': async (sock) => {
    await sock.send('ready');
    setInterval(() => undefined, 1e6);
  },
  'end and exit': async (sock) => {
    for (let i = 0; i < 100; i += 1) await sock.send(new Uint8Array(1000));
    await sock.end();
    process.exit(Number(process.env['EXIT_CODE']));
  },
  'exit while it sends': async (sock) => {
    for (let i = 0; ; i += 1) {
      const sent = sock.send(new Uint8Array(100_000));
      if (i === 20) process.exit(9);
      await sent;
    }
  },
  'end only its direction': async (sock) => {
    await sock.send('last');
    await sock.end();
    let count = 0;
    for (; ; count += 1) if ((await sock.recvText()) === 'stop') break;
    console.log(`got ${count}`);
  },
  'cut the pipe': async (sock) => {
    await sock.close(undefined, { timeout: 0 });
    setInterval(() => undefined, 1e6);
  },
  'unreference it': (sock) => void sock.unref(),
  'open it again': () => {
    try {
      fromParentProcess({ fd: Number(fd) });
    } catch (error) {
      console.log(`${error.code}: ${error.message}`);
    }
    process.exit();
  },
};

try {
  const carrier = fromParentProcess({ fd: Number(fd) });
  const sock =
    kind === 'encrypted'
      ? new EncryptedSocket(carrier, { insecureAcceptAnyKey: true })
      : new LockedSocket(carrier);
  await tasks[task](sock);
} catch (error) {
  if (task !== 'open nothing') throw error;
  console.log(`${error.code}: ${error.message}`);
  process.exit();
}
