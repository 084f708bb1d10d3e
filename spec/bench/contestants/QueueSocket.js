// A QueueSocket over a plain socket: callbacks one way, `call` for requests.
import { plain, queued } from '../library.js';

export * as driver from '../drivers/queues.js';
export const { listen, connect, close } = queued(plain);
