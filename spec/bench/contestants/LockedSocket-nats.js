// A LockedSocket over a nats-server.
import { natsPlain } from '../nats-library.js';

export * as driver from '../drivers/promises.js';
export const { listen, connect, close } = natsPlain;
