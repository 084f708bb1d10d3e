// A QueueSocket over an encrypted socket over a nats-server.
import { queued } from '../library.js';
import { natsEncrypted } from '../nats-library.js';

export * as driver from '../drivers/queues.js';
export const { listen, connect, close } = queued(natsEncrypted);
