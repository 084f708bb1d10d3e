// A QueueSocket over a plain socket over a nats-server.
import { queued } from '../library.js';
import { natsPlain } from '../nats-library.js';

export * as driver from '../drivers/queues.js';
export const { listen, connect, close } = queued(natsPlain);
