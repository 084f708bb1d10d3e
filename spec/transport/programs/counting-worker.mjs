// A worker that answers with the number of bytes that it received.
import { parentPort, workerData } from 'node:worker_threads';

const { LockedSocket } = await import(workerData.library);
const sock = new LockedSocket(parentPort, { allowHalfOpen: true });
let bytes = 0;
for await (const message of sock) bytes += message.length;
await sock.close(String(bytes));
