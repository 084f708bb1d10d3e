// A QueueSocket over an encrypted socket: callbacks one way, `call` for requests.
import { encrypted } from '../library.js';
import { queued } from '../queue-connection.js';

export * as roles from '../roles/queues.js';
export const { listen, connect, close } = queued(await encrypted('auto'));
