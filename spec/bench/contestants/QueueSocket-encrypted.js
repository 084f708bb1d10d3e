// A QueueSocket over an encrypted socket: callbacks one way, `call` for requests.
import { encrypted, queued } from '../library.js';

export * as driver from '../drivers/queues.js';
export const { listen, connect, close } = queued(await encrypted('auto'));
