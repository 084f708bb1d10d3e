// Relays bytes and ends between the standard streams and file descriptor 3 of this process, in both
// directions, like any program with a protocol over stdin and stdout. pipe() does not end
// `process.stdout`.
import { Socket } from 'node:net';

const input = new Socket({ fd: 0, readable: true, writable: false, allowHalfOpen: true });
const output = new Socket({ fd: 1, readable: false, writable: true, allowHalfOpen: true });
const far = new Socket({ fd: 3, readable: true, writable: true, allowHalfOpen: true });
for (const stream of [input, output, far]) stream.on('error', () => process.exit(0));
input.pipe(far);
far.pipe(output);
