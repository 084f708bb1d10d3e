// A QueueSocket over a plain socket: callbacks one way, `call` for requests.
import { plain } from '../library.js';
import { queued } from '../queue-connection.js';

export * as roles from '../roles/queues.js';
export const { listen, connect, close } = queued(plain);
