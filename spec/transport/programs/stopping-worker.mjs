// A worker that says that it is ready, and never reads.
import { parentPort, workerData } from 'node:worker_threads';

const { LockedSocket } = await import(workerData.library);
const sock = new LockedSocket(parentPort);
await sock.send('ready');
