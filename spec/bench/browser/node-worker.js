import { parentPort, workerData } from 'node:worker_threads';
import { k4netChannel, portChannel } from './channels.js';
import { serveRounds } from './rounds.js';

if (workerData === null) serveRounds(portChannel(parentPort));
else {
  const { LockedSocket } = await import(new URL('index.js', workerData).href);
  serveRounds(k4netChannel(new LockedSocket(parentPort)));
}
