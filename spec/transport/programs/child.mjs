// The child at the other end of a pipe: it sends back each message. The first argument chooses the
// pipe, the second how it ends.
import { Socket } from 'node:net';
import { LockedSocket } from '../../../dist/index.js';

const [, , pipe, ending] = process.argv;
const carrier =
  pipe === 'stdio' ? { readable: process.stdin, writable: process.stdout } : new Socket({ fd: 3 });
const sock = new LockedSocket(carrier);
if (ending === 'unref') sock.unref();
if (ending === 'exit') {
  for (let i = 0; i < 100; i += 1) await sock.send(new Uint8Array(1000));
  await sock.end();
  process.exit(7);
}
for await (const message of sock) await sock.send(message);
await sock.close();
