// A worker that uses its port for itself when the socket has closed.
import { parentPort, workerData } from 'node:worker_threads';

const { LockedSocket } = await import(workerData.library);
const sock = new LockedSocket(parentPort);
await sock.send('over the socket');
await sock.close();
parentPort.once('message', () => parentPort.postMessage('yes'));
