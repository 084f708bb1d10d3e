// An EncryptedSocket over a nats-server.
import { natsEncrypted } from '../nats-library.js';

export * as driver from '../drivers/promises.js';
export const { listen, connect, close } = natsEncrypted;
